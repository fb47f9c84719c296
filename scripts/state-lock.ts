// One stack per state directory: two workerds on the same SQLite files would fire every alarm twice.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { StartFailure } from "./service.ts";

/** Held until released or until this process is gone, however it ends. Throws StartFailure when somebody holds it. */
export async function lockState(stateDirectory: string): Promise<() => void> {
  // In a folder of its own, because the path of a socket must be short.
  const id = createHash("sha256")
    .update(`${userInfo().uid} ${resolve(stateDirectory)}`)
    .digest("hex");
  const path = join(tmpdir(), `osa-edge-${id.slice(0, 16)}.sock`);
  if (await isHeld(path)) {
    throw new StartFailure(
      `${stateDirectory} is in use by another npm start or test on other ports; stop that one first.`,
    );
  }
  rmSync(path, { force: true });
  const server = createServer((socket) => socket.destroy())
    .listen(path)
    .unref();
  return () => void server.close();
}

/** A socket file whose owner was killed refuses connections. */
function isHeld(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path, () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}
