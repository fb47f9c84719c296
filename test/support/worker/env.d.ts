declare namespace Cloudflare {
  interface Env {
    DB: D1Database;
    ASSETS: Fetcher;
    SYNC_SESSION: DurableObjectNamespace<import("../../../src/sync/object.ts").SyncSession>;
    WORKSPACE: DurableObjectNamespace<import("../../../src/workspace/object.ts").Workspace>;
    INBOX: DurableObjectNamespace<import("../../../src/inbox/object.ts").Inbox>;
    RECEIVER_WALL: RateLimit;
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
    TEST_OPAL_URL: string;
  }
  interface GlobalProps {
    mainModule: typeof import("../../../src/index.ts");
  }
}
