// Brings node_modules up to date. Runs on whatever Node the machine has, before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 20;
/** What runs the rest of our scripts: older ones cannot strip types, and wrangler refuses them. */
const OLDEST_INSTALLED_NODE = 22;

const root = fileURLToPath(new URL("..", import.meta.url));

/** Ends the process with one sentence when that is impossible. */
export async function ensureInstalled() {
  if (process.platform === "win32") fail("OSA Edge is developed on Linux and macOS; on Windows, run it inside WSL.");
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    fail(`OSA Edge needs Node ${OLDEST_NODE} or newer to start, and this is ${process.version}.`);
  }
  if (!isInstalled(root)) await install();
  const broken = brokenPrograms();
  if (broken.length === 0) return;
  // Seen with npm's ignore-scripts and with policies that hold install scripts back.
  const names = broken.join(" ");
  fail(`Installed but not working: ${names}. Run: npm rebuild --ignore-scripts=false ${names}`);
}

/**
 * Whether node_modules holds what the lock file asks for, by npm's own record of what it installed.
 * Optional packages may be absent: most of them are for other platforms.
 * @param {string} directory
 */
export function isInstalled(directory) {
  const installed = readPackages(join(directory, "node_modules", ".package-lock.json"));
  const wanted = readPackages(join(directory, "package-lock.json"));
  if (installed === undefined || wanted === undefined) return false;
  const isSame = (/** @type {string} */ path) => installed[path]?.version === wanted[path]?.version;
  const isOptional = (/** @type {string} */ path) => wanted[path]?.optional ?? wanted[path]?.devOptional ?? false;
  return (
    Object.keys(installed).every(isSame) &&
    Object.keys(wanted).every((path) => path === "" || isSame(path) || (isOptional(path) && !installed[path]))
  );
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> | undefined}
 */
function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return undefined;
  }
}

async function install() {
  let last = await runNpm("ci", "Installing packages, which takes about half a minute…");
  if (/can only install packages when your package\.json and package-lock\.json/.test(last.output)) {
    const why =
      "package-lock.json does not list all that npm ci asks for; installing with npm install --no-save instead.";
    last = await runNpm("install", why, "--no-save");
  }
  if (last.code === 0) return;
  process.stderr.write(`${last.output}\n`);
  fail("The packages could not be installed; npm's own words are above.");
}

/**
 * @param {string} command
 * @param {string} announcement
 * @param {string[]} flags
 */
function runNpm(command, announcement, ...flags) {
  // Development needs the devDependencies, whatever NODE_ENV says.
  const args = [command, ...flags, "--include=dev", "--no-audit", "--no-fund", "--no-progress"];
  const own = process.env.npm_execpath ?? "";
  const npm = basename(own) === "npm-cli.js" ? { file: process.execPath, first: [own] } : { file: "npm", first: [] };
  return new Promise((/** @type {(end: { code: number | null, output: string }) => void} */ resolve) => {
    let output = "";
    // In a group of its own, because npm does not end the install scripts that it started.
    const child = spawn(npm.file, [...npm.first, ...args], {
      cwd: root,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.once("spawn", () => say(announcement));
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.once("error", () => fail("npm is missing or cannot be run; install it together with Node."));
    const stop = () => {
      endGroup(Number(child.pid));
      say("Stopped; the next start installs again.");
      process.exit(130);
    };
    // Not once: npm repeats the terminal's signal, and the second would end us before we have ended npm.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
    child.once("close", (code) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeListener(signal, stop);
      resolve({ code, output: withoutNoise(output) });
    });
  });
}

/** @param {number} pid */
function endGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has just ended by itself.
  }
}

/**
 * npm warns of packages that want a newer Node; they get it from node_modules, so the warning only misleads.
 * @param {string} output
 */
function withoutNoise(output) {
  return output
    .split("\n")
    .filter((line) => !line.startsWith("npm warn EBADENGINE") && !line.startsWith("npm WARN EBADENGINE"))
    .join("\n")
    .trim();
}

function brokenPrograms() {
  const bin = join(root, "node_modules", ".bin");
  const path = `${bin}:${process.env.PATH ?? ""}`;
  return ["node", "workerd", "esbuild"].filter((name) => {
    if (!existsSync(join(bin, name))) return true;
    const run = spawnSync(join(bin, name), ["--version"], { encoding: "utf8", env: { ...process.env, PATH: path } });
    if (run.status !== 0) return true;
    return name === "node" && Number.parseInt(run.stdout.slice(1), 10) < OLDEST_INSTALLED_NODE;
  });
}

/** @param {string} line */
function say(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * @param {string} sentence
 * @returns {never}
 */
function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
