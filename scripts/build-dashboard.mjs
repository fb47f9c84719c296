// Bundles the dashboard into public/app. Run by wrangler before it serves or deploys, and by the tests.
import { build } from "esbuild";

await build({
  entryPoints: ["src/dashboard/main.ts"],
  outdir: "public/app",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  logLevel: "warning",
});
