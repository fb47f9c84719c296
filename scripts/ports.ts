// The two ports of development, chosen by PORT and SIMULATOR_PORT.
import { portProblem } from "./processes.ts";
import { DEFAULT_PORT, DEFAULT_SIMULATOR_PORT, StartFailure } from "./stack.ts";

/** Throws StartFailure with a sentence that names the variable to set. */
export async function choosePorts(): Promise<{ port: number; simulatorPort: number }> {
  const port = await choosePort("PORT", DEFAULT_PORT);
  const simulatorPort = await choosePort("SIMULATOR_PORT", DEFAULT_SIMULATOR_PORT);
  if (port !== simulatorPort) return { port, simulatorPort };
  throw new StartFailure(`PORT and SIMULATOR_PORT are both ${port}; set one of them to another port.`);
}

async function choosePort(name: string, otherwise: number): Promise<number> {
  const given = process.env[name] || String(otherwise);
  const port = Number(given);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new StartFailure(`${name} is "${given}", which is not a port (1 to 65535).`);
  }
  const problem = await portProblem(port);
  if (problem === undefined) return port;
  const example = `${name}=${port < 65_000 ? port + 100 : port - 100} npm start`;
  throw new StartFailure(`Port ${port} is ${problem}; set ${name} to another one, for example: ${example}`);
}
