// `npm test`: installs what is missing, then runs every check and every test (test.ts).
import { handOver } from "./hand-over.mjs";
import { ensureInstalled } from "./install.mjs";

await ensureInstalled();
handOver("test.ts");
