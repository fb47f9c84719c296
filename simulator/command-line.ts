// Flags and environment into options; every mistake becomes one sentence.

import { readFileSync } from "node:fs";
import { parseArgs, parseEnv } from "node:util";
import { z } from "zod";
import { type Faults, faultSet, needsToken } from "./faults.ts";
import { DEFAULT_PORT, DEFAULT_SPEED, DEFAULT_TARGET } from "./settings.ts";

export const USAGE = `Plays OPAL: takes the trigger, runs nine agents, reports to OSA by signed webhooks or by calls of its functions.

node simulator/main.ts [flags]
  --port <number>          where to listen (SIMULATOR_PORT, ${DEFAULT_PORT}); 0 takes any free port
  --target <url>           OSA's address (OSA_URL, ${DEFAULT_TARGET})
  --speed <factor>         1 is real minutes (SIMULATOR_SPEED, ${DEFAULT_SPEED})
  --env-file <path>        KEY="value" lines, for example .dev.vars
  --deliver <way>          webhooks (SIMULATOR_DELIVER, webhooks), tools or mixed
  --order <order>          sequence (default) or parallel
  --family <family>        mixed (default), shared or execution_results
  --seed <number>          the same seed repeats timings and results
  --no-resend              a webhook that fails is not sent again
  --fault <json>           any faults, for every run; see simulator/README.md
  --verbose                one line per event
  --help

Needed: OSA_WEBHOOK_SHARED_SECRET and OPAL_STRATEGY_WORKFLOW_AUTH_KEY, in the environment or the --env-file; for
--deliver tools and mixed OPAL_TOOLS_TOKEN as well.
`;

export class CommandLineError extends Error {}

export interface Command {
  readonly port: number;
  readonly target: string;
  readonly speed: number;
  readonly faults: Faults;
  readonly webhookSecret: string;
  readonly triggerKey: string;
  readonly toolsToken: string | undefined;
  readonly verbose: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const command = z.object({
  port: z.coerce.number("must be a port number").int().min(0).max(65_535),
  target: z.url({ protocol: /^https?$/, error: "must be an http or https address" }),
  speed: z.coerce.number("must be a number").positive(),
  webhookSecret: z.string().min(1),
  triggerKey: z.string().min(1),
});

/** Throws CommandLineError with a sentence for the user. */
export function readCommandLine(args: readonly string[], environment: Environment): Command | "help" {
  const flags = readFlags(args);
  if (flags.help) return "help";
  const env = { ...readEnvFile(flags["env-file"]), ...withoutEmpty(environment) };
  const webhookSecret = env.OSA_WEBHOOK_SHARED_SECRET;
  const triggerKey = env.OPAL_STRATEGY_WORKFLOW_AUTH_KEY;
  if (!webhookSecret || !triggerKey) {
    throw new CommandLineError(
      "Set OSA_WEBHOOK_SHARED_SECRET and OPAL_STRATEGY_WORKFLOW_AUTH_KEY in the environment, or name a file that has them with --env-file .dev.vars.",
    );
  }
  const parsed = command.safeParse({
    port: flags.port ?? env.SIMULATOR_PORT ?? DEFAULT_PORT,
    target: flags.target ?? env.OSA_URL ?? DEFAULT_TARGET,
    speed: flags.speed ?? env.SIMULATOR_SPEED ?? DEFAULT_SPEED,
    webhookSecret,
    triggerKey,
  });
  if (!parsed.success) throw new CommandLineError(sentence(parsed.error));
  const faults = readFaults(flags, env.SIMULATOR_DELIVER);
  const toolsToken = env.OPAL_TOOLS_TOKEN;
  if (needsToken(faults) && toolsToken === undefined) {
    throw new CommandLineError("To deliver by tools, set OPAL_TOOLS_TOKEN in the environment or in the --env-file.");
  }
  return { ...parsed.data, verbose: flags.verbose ?? false, faults, toolsToken };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowNegative: true,
      options: {
        port: { type: "string" },
        target: { type: "string" },
        speed: { type: "string" },
        "env-file": { type: "string" },
        deliver: { type: "string" },
        order: { type: "string" },
        family: { type: "string" },
        seed: { type: "string" },
        resend: { type: "boolean" },
        fault: { type: "string" },
        verbose: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new CommandLineError(error instanceof Error ? error.message : String(error));
  }
}

/** The environment's way of delivering gives way to `--fault`, and that to the flags of single faults. */
function readFaults(flags: ReturnType<typeof readFlags>, deliverByDefault: string | undefined): Faults {
  const { deliver, order, family, seed, resend, fault } = flags;
  let json: unknown = {};
  try {
    if (fault !== undefined) json = JSON.parse(fault);
  } catch {
    throw new CommandLineError("--fault is not JSON.");
  }
  const parsed = faultSet.safeParse(json);
  if (!parsed.success) throw new CommandLineError(`--fault: ${sentence(parsed.error)}`);
  const given = {
    deliver: deliver ?? parsed.data.deliver ?? deliverByDefault,
    order,
    family,
    resend,
    seed: seed === undefined ? undefined : Number(seed),
  };
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const merged = faultSet.safeParse({ ...parsed.data, ...present });
  if (!merged.success) throw new CommandLineError(sentence(merged.error));
  return merged.data;
}

function readEnvFile(path: string | undefined): Environment {
  if (path === undefined) return {};
  try {
    return parseEnv(readFileSync(path, "utf8"));
  } catch {
    throw new CommandLineError(`The file ${path} named by --env-file cannot be read.`);
  }
}

function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
}

function sentence(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`.trim()).join("; ");
}
