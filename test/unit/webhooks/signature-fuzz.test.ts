// The signature check against chance: the short form of `npm run fuzz`. A failure prints the seed; FUZZ_SEED repeats it.
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { genuineAttempt, headersOf } from "../../../scripts/fuzz-attempts.ts";
import { mutate, mutation } from "../../../scripts/fuzz-headers.ts";
import { isGenuine } from "../../../scripts/fuzz-meaning.ts";
import {
  type Checked,
  checkForged,
  checkGenuine,
  checkGenuineBodies,
  SECRETS,
} from "../../../scripts/fuzz-signatures.ts";
import { keyOf, nodeHmac, signText } from "../../../scripts/fuzz-signers.ts";

vi.setConfig({ testTimeout: 60_000 });

const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

function say(what: string, { runs, answers, broken }: Checked): void {
  process.stdout.write(`${what}: ${runs} with seed ${seed}: ${JSON.stringify(answers)}\n`);
  expect(broken).toBeUndefined();
}

test("no header is accepted unless it holds the HMAC of the body and time it came with", async () => {
  const checked = await checkForged({ seed, runs: 20_000 });
  say("headers changed by chance", checked);
  // Every way to say no was met, and some changes change nothing.
  expect(Object.keys(checked.answers).toSorted()).toEqual([
    "accepted",
    "invalid_signature_format",
    "missing_signature",
    "signature_mismatch",
    "timestamp_out_of_tolerance",
  ]);
});

test("a genuine header is accepted however it is written, from both active secrets", async () => {
  const checked = await checkGenuine({ seed, runs: 5_000 });
  say("genuine headers", checked);
  expect(checked.answers).toEqual({ accepted: 5_000 });
});

test("a genuine header is accepted over any body of up to 1 MiB", async () => {
  const checked = await checkGenuineBodies({ seed, runs: 200 });
  say("genuine bodies", checked);
  expect(checked.answers).toEqual({ accepted: 200 });
});

test("the judge of all this finds a genuine header genuine, and one over another body not", async () => {
  const now = 1_767_603_600;
  await fc.assert(
    fc.asyncProperty(genuineAttempt(), fc.string(), fc.array(mutation), async (attempt, text, mutations) => {
      const { scheme, signatory } = attempt;
      const signing = { scheme, secret: SECRETS[signatory], time: now - attempt.ageSeconds, id: "msg_1" };
      const fields = headersOf(attempt, signText(text, signing));
      const keys = [keyOf(scheme, SECRETS[signatory])];
      const body = new TextEncoder().encode(text);
      const judged = { scheme, fields, body, nowSeconds: now, keys };
      expect(await isGenuine(judged, nodeHmac)).toBe(true);
      expect(await isGenuine({ ...judged, keys: [keyOf(scheme, SECRETS.stranger)] }, nodeHmac)).toBe(false);
      expect(await isGenuine({ ...judged, nowSeconds: now + 601 }, nodeHmac)).toBe(false);
      const another = { ...judged, body: Uint8Array.of(...body, 0x20), fields: mutations.reduce(mutate, fields) };
      expect(await isGenuine(another, nodeHmac)).toBe(false);
    }),
    { seed, numRuns: 2_000 },
  );
});
