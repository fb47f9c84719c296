// The dashboard's cookie: who signed in and until when, sealed. (isSameText needs workerd and is tested there.)
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openSession, SESSION_MS, sealSession } from "../../../src/access/session.ts";

const SECRET = "a-session-secret-of-at-least-32-letters";
const NOW = 1_767_603_600_000;
const SESSION = { subject: "operator@osa.localhost", expiresAt: NOW + SESSION_MS };

const base64url = (data: string | Uint8Array) => Buffer.from(data).toString("base64url");

/** A cookie whose payload is whatever we like, sealed as the application seals it. */
function forge(payload: string | Uint8Array, key = `dashboard session:${SECRET}`): string {
  return `${base64url(payload)}.${base64url(createHmac("sha256", key).update(payload).digest())}`;
}

test("a session lasts twelve hours", () => {
  expect(SESSION_MS).toBe(12 * 60 * 60 * 1000);
});

test("a sealed session opens to what was sealed", async () => {
  expect(await openSession(await sealSession(SESSION, SECRET), SECRET, NOW)).toEqual(SESSION);
});

test("a name in any script survives", async () => {
  const session = { ...SESSION, subject: "оператор+😀@osa.localhost" };
  expect(await openSession(await sealSession(session, SECRET), SECRET, NOW)).toEqual(session);
});

test("a session needs nothing quoted or escaped in a cookie", async () => {
  expect(await sealSession(SESSION, SECRET)).toMatch(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/);
});

describe("nobody is signed in", () => {
  test("when the session has expired, from its last moment on", async () => {
    const cookie = await sealSession(SESSION, SECRET);
    expect(await openSession(cookie, SECRET, SESSION.expiresAt - 1)).toEqual(SESSION);
    expect(await openSession(cookie, SECRET, SESSION.expiresAt)).toBeUndefined();
  });

  test("when it was sealed with another secret", async () => {
    expect(await openSession(await sealSession(SESSION, `${SECRET}2`), SECRET, NOW)).toBeUndefined();
  });

  test("when it was sealed with the same secret for another purpose", async () => {
    expect(await openSession(forge(JSON.stringify(SESSION), SECRET), SECRET, NOW)).toBeUndefined();
  });

  test.each(["", ".", "a", "a.b", "a.b.c", "%.%", "ä.ö", "....", " . ", `${"A".repeat(1_025)}.${"A".repeat(43)}`])(
    "for the cookie %j",
    async (cookie) => {
      expect(await openSession(cookie, SECRET, NOW)).toBeUndefined();
    },
  );

  test.each<[string, string]>([
    ["JSON that is no session", "[]"],
    ["a session without an end", '{"subject":"x"}'],
    ["a session whose end is a text", '{"subject":"x","expiresAt":"2099-01-01"}'],
    ["a session without a subject", '{"expiresAt":9999999999999}'],
  ])("for a genuine seal over %s", async (_what, payload) => {
    expect(await openSession(forge(payload), SECRET, NOW)).toBeUndefined();
  });
});

test("a session with any byte changed, in the claims or in the seal, opens to nothing", async () => {
  const cookie = await sealSession(SESSION, SECRET);
  const parts = cookie.split(".").map((part) => Buffer.from(part, "base64url"));
  await fc.assert(
    fc.asyncProperty(fc.nat(1), fc.nat(), fc.nat(7), async (changed, place, bit) => {
      const copies = parts.map((part) => Buffer.from(part));
      const copy = copies[changed] ?? Buffer.alloc(0);
      const index = place % copy.length;
      copy.writeUInt8(copy.readUInt8(index) ^ (1 << bit), index);
      const forged = copies.map((part) => part.toString("base64url")).join(".");
      expect(await openSession(forged, SECRET, NOW)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});
