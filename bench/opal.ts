// An OPAL that accepts every workflow and then says nothing: the webhooks come from the load thread.
import { createServer } from "node:http";

export interface SilentOpal {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

export async function startOpal(): Promise<SilentOpal> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("OPAL listens on no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    stop: () => new Promise((done) => server.close(() => done())),
  };
}
