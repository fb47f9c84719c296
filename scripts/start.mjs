// `npm start`: installs what is missing, then runs everything in development (dev.ts).
import { handOver } from "./hand-over.mjs";
import { ensureInstalled } from "./install.mjs";

await ensureInstalled();
handOver("dev.ts");
