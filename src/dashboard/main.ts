// The dashboard: state in signals (state.ts), kept live by sockets (follow.ts), drawn by views/app.ts.
import { effect } from "@preact/signals";
import { h, render } from "preact";
import { startAnnouncing } from "./announcing.ts";
import { startFollowing } from "./follow.ts";
import { startShortcuts } from "./keys.ts";
import { startRouting } from "./location.ts";
import { startTicking } from "./server-time.ts";
import { checkSession, session } from "./session.ts";
import { startForgetting } from "./start.ts";
import { App } from "./views/app.ts";

/** How long to wait before a server that did not answer is asked again who is signed in, in ms. */
const ASK_AGAIN_MS = 5_000;

const root = document.querySelector("#app");
if (root !== null) {
  startRouting();
  startTicking();
  startFollowing();
  startForgetting();
  startAnnouncing();
  startShortcuts();
  effect(() => {
    if (session.value.state !== "unreachable") return undefined;
    const timer = setTimeout(checkSession, ASK_AGAIN_MS);
    return () => clearTimeout(timer);
  });
  // What the page was served with only says that it is loading.
  root.replaceChildren();
  render(h(App, null), root);
  void checkSession();
}
