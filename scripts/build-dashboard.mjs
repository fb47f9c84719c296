// Bundles the dashboard into public/app. Run by wrangler before it serves or deploys, and by the tests.
// Prints what a browser has to load, and fails when the script outgrows its budget.
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const SCRIPT_BUDGET_BYTES = 45_000;

const { metafile } = await build({
  entryPoints: ["src/dashboard/main.ts", "src/dashboard/styles.css"],
  outdir: "public/app",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  metafile: true,
  logLevel: "warning",
});

for (const path of Object.keys(metafile.outputs).filter((name) => !name.endsWith(".map"))) {
  const bytes = await readFile(path);
  const gzipBytes = gzipSync(bytes, { level: 9 }).length;
  process.stdout.write(`${path}: ${kilobytes(bytes.length)}, ${kilobytes(gzipBytes)} gzip\n`);
  if (path.endsWith(".js") && gzipBytes > SCRIPT_BUDGET_BYTES) {
    process.stderr.write(`${path} is over its budget of ${kilobytes(SCRIPT_BUDGET_BYTES)} gzip.\n`);
    process.exitCode = 1;
  }
}

/** @param {number} bytes */
function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
