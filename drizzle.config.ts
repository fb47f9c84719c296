import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: ["./src/sync/tables.ts", "./src/events/tables.ts"],
  out: "./migrations",
});
