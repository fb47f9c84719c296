import { afterEach, describe, expect, test } from "vitest";
import { isSameText } from "../../src/access/session.ts";
import { app } from "../../src/app.ts";
import { type Answer, API_KEY, ORIGIN, send, status, trigger } from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { startOver } from "../support/worker/objects.ts";

/** What anybody may ask. A route that is not listed here must refuse. */
const PUBLIC = new Set([
  "GET /api/health",
  "GET /api/problems/:code",
  "GET /api/webhooks/opal-workflow",
  "POST /api/webhooks/opal-workflow",
  "GET /api/webhooks/opal-workflow/:workspace",
  "POST /api/webhooks/opal-workflow/:workspace",
  ...["ga4", "salesforce", "external/:source"].flatMap((path) => [
    `GET /api/webhooks/${path}`,
    `POST /api/webhooks/${path}`,
    `POST /api/webhooks/${path}/:workspace`,
  ]),
  "POST /api/auth/login",
  // OPAL reads these before it has anything to sign in with; they hold nothing of a workspace.
  "GET /discovery",
  "GET /api/opal/discovery",
]);

const routes = app.routes
  .filter((route) => route.method !== "ALL")
  .map(({ method, path }) => ({ method, path: path.replace(/(.)\/$/, "$1") }));
const guarded = routes.filter(({ method, path }) => !PUBLIC.has(`${method} ${path}`));

const EMAIL = "operator@osa.localhost";
const PASSWORD = "test-password";

function visit(route: { method: string; path: string }, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const path = route.path
    .replace(/:id\{whd_.*\}/, "whd_anything")
    .replace(":id", "sync-1700000000000-abcde")
    .replace(/:\w+/g, "anything");
  return send(path, { method: route.method, headers, redirect: "manual" });
}

function signIn(password: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return send("/api/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ email: EMAIL, password }),
  });
}

async function signedInCookie(): Promise<string> {
  const [cookie] = (await signIn(PASSWORD)).headers.get("Set-Cookie")?.split(";") ?? [];
  return cookie ?? "";
}

test("the routes open to anybody are the ones we know, and there are others", () => {
  const open = routes.map(({ method, path }) => `${method} ${path}`).filter((route) => PUBLIC.has(route));
  expect(new Set(open)).toEqual(PUBLIC);
  expect(guarded.length).toBeGreaterThanOrEqual(10);
});

describe.for(guarded)("$method $path refuses", (route) => {
  test.for([
    ["without credentials", {}],
    ["with a wrong key", { Authorization: "Bearer test-api-key-with-operator-right" }],
    ["with an empty key", { Authorization: "Bearer " }],
    ["with the key in another scheme", { Authorization: `Basic ${btoa(`key:${API_KEY}`)}` }],
    ["with the key as a cookie", { Cookie: `osa_session=${API_KEY}` }],
    ["with a cookie nobody sealed", { Cookie: `osa_session=${btoa('{"subject":"x","expiresAt":9e15}')}.AAAA` }],
    ["with a good key beside a bad one", { Authorization: `Bearer wrong, Bearer ${API_KEY}` }],
  ] as const)("%s", async ([, headers]) => {
    const answer = await visit(route, headers);
    expect([answer.status, answer.body.code]).toEqual([401, "authentication_failed"]);
    expect(answer.headers.get("WWW-Authenticate")).toContain("Bearer");
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(answer.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
  });
});

describe("signing in", () => {
  test("with a wrong password gives no cookie", async () => {
    for (const wrong of ["", "test-passwor", "test-password ", "TEST-PASSWORD"]) {
      const answer = await signIn(wrong);
      expect([answer.status, answer.body.code]).toEqual([401, "authentication_failed"]);
      expect(answer.headers.has("Set-Cookie")).toBe(false);
    }
  });

  test("with a wrong name and with a wrong password looks the same", async () => {
    const body = (email: string) => ({ email, password: "wrong" });
    const [name, password] = await Promise.all(
      [body("nobody@osa.localhost"), body(EMAIL)].map((credentials) =>
        send("/api/auth/login", {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-Correlation-ID": "same" },
          body: JSON.stringify(credentials),
        }),
      ),
    );
    const { timestamp: _one, ...first } = name?.body ?? {};
    const { timestamp: _two, ...second } = password?.body ?? {};
    expect(first).toEqual(second);
  });

  test("with the right one gives a cookie that scripts cannot read and other sites do not send", async () => {
    const answer = await signIn(PASSWORD);
    expect(answer.status).toBe(200);
    const cookie = answer.headers.get("Set-Cookie") ?? "";
    expect(cookie).toMatch(/^osa_session=[\w-]+\.[\w-]+;/);
    for (const attribute of ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"])
      expect(cookie).toContain(attribute);
    expect(cookie).not.toContain(PASSWORD);
  });

  test("over https marks the cookie secure", async () => {
    const { exports } = await import("cloudflare:workers");
    const answer = await exports.default.fetch("https://osa.example/api/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
    });
    expect(answer.headers.get("Set-Cookie")).toContain("Secure");
  });

  test("from a page of another site is refused", async () => {
    const answer = await signIn(PASSWORD, { Origin: "https://evil.example" });
    expect([answer.status, answer.headers.has("Set-Cookie")]).toEqual([403, false]);
  });
});

describe("the cookie", () => {
  afterEach(startOver);

  test("reads from anywhere, and writes from our own pages", async () => {
    const cookie = await signedInCookie();
    const { body: run } = await trigger();
    const own = { Cookie: cookie, Origin: ORIGIN };
    expect((await send(`/api/force-sync/status/${run.session_id}`, { headers: { Cookie: cookie } })).status).toBe(200);
    expect((await send("/api/auth/session", { headers: { Cookie: cookie } })).body).toMatchObject({ name: EMAIL });
    const cancelled = await send(`/api/force-sync/status/${run.session_id}`, { method: "DELETE", headers: own });
    expect([cancelled.status, cancelled.body.state]).toEqual([200, "cancelled"]);
    const started = await send("/api/force-sync/trigger", { method: "POST", headers: own });
    expect(started.status).toBe(200);
    expect(
      (await send("/api/auth/logout", { method: "POST", headers: { Cookie: cookie, "Sec-Fetch-Site": "same-origin" } }))
        .status,
    ).toBe(200);
    expect((await status(started.body.session_id)).triggered_by).toBe(EMAIL);
  });

  test.for([
    ["another site's page", { Origin: "https://evil.example" }],
    ["a page without an origin", {}],
    ["a sandboxed page", { Origin: "null" }],
    ["our host on another port", { Origin: `${ORIGIN}:8080` }],
    ["our host over https", { Origin: ORIGIN.replace("http:", "https:") }],
    ["a host that begins like ours", { Origin: `${ORIGIN}.evil.example` }],
    ["a request the browser calls foreign", { "Sec-Fetch-Site": "cross-site" }],
    ["a request the browser calls a neighbour's", { "Sec-Fetch-Site": "same-site" }],
    ["another site that calls itself ours", { Origin: "https://evil.example", "Sec-Fetch-Site": "same-origin" }],
  ] as const)("does not let %s change anything", async ([, headers]) => {
    const cookie = await signedInCookie();
    const { body: run } = await trigger();
    const path = `/api/force-sync/status/${run.session_id}`;
    const cancelled = await send(path, { method: "DELETE", headers: { Cookie: cookie, ...headers } });
    expect([cancelled.status, cancelled.body.code]).toEqual([403, "origin_refused"]);
    const started = await send("/api/force-sync/trigger", { method: "POST", headers: { Cookie: cookie, ...headers } });
    expect([started.status, started.body.code]).toEqual([403, "origin_refused"]);
    expect((await status(run.session_id)).state).not.toBe("cancelled");
  });

  test("ends after twelve hours", async () => {
    stopClock();
    const cookie = await signedInCookie();
    const ask = () => send("/api/auth/session", { headers: { Cookie: cookie } });
    advanceClock(12 * 60 * 60_000 - 1);
    expect((await ask()).status).toBe(200);
    advanceClock(1);
    expect((await ask()).status).toBe(401);
  });

  test("counts for nothing once a letter of it is changed", async () => {
    const cookie = await signedInCookie();
    for (const position of [15, cookie.indexOf(".") + 2]) {
      const changed = cookie.slice(0, position) + (cookie[position] === "A" ? "B" : "A") + cookie.slice(position + 1);
      expect((await send("/api/auth/session", { headers: { Cookie: changed } })).status).toBe(401);
    }
    expect((await send("/api/auth/session", { headers: { Cookie: cookie } })).status).toBe(200);
  });

  test("is taken back by signing out", async () => {
    const answer = await send("/api/auth/logout", {
      method: "POST",
      headers: { Cookie: await signedInCookie(), Origin: ORIGIN },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Set-Cookie")).toMatch(/^osa_session=;.*Max-Age=0/);
  });
});

describe("two texts are the same", () => {
  test.each(["", "key", "ключ😀", "\u0000"])("when both are %j", (text) => {
    expect(isSameText(text, text)).toBe(true);
  });

  test.each([
    ["key", "kez"],
    ["key", "ke"],
    ["ke", "key"],
    ["", "key"],
    ["key", ""],
    ["key\u0000", "key"],
    ["key", "key\u0000"],
    ["ключ", "ключи"],
    // Only as many bytes as the last letter leaves room for.
    ["ab", "a\u0000"],
    ["aя", "ab"],
  ])("but not when one is %j and the other %j", (given, expected) => {
    expect(isSameText(given, expected)).toBe(false);
  });
});
