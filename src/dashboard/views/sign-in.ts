// Who are you? Shown in place of the page while nobody is signed in; the address stays, so that one lands where one was.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { Problem } from "../api.ts";
import { icon } from "../icons.ts";
import { signIn } from "../session.ts";
import { brandMark } from "./brand.ts";

export function SignIn({ wasSignedIn }: { readonly wasSignedIn: boolean }) {
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [isSending, setSending] = useState(false);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement) || isSending) return;
    const given = new FormData(event.currentTarget);
    setSending(true);
    const refused = await signIn(String(given.get("email") ?? ""), String(given.get("password") ?? ""));
    // Accepted: this form is gone by now.
    if (refused === undefined) return;
    setSending(false);
    setProblem(refused);
  }

  const describedBy = problem === undefined ? undefined : "sign-in-problem";
  return html`<main class="sign-in" id="main">
    <form class="sign-in-card" onSubmit=${submit} method="post" action="#">
      <p class="brand">${brandMark()} OSA Edge</p>
      <h1>Sign in</h1>
      <p class="muted">${
        wasSignedIn
          ? "Your session has ended. Sign in to go on where you were."
          : "Start and follow force syncs with OPAL."
      }</p>
      <label class="field">
        <span>E-mail address</span>
        <input
          type="email" name="email" autocomplete="username" required autofocus inputmode="email" spellcheck=${false}
          autocapitalize="none" aria-describedby=${describedBy}
        />
      </label>
      <label class="field">
        <span>Password</span>
        <input type="password" name="password" autocomplete="current-password" required aria-describedby=${describedBy} />
      </label>
      <div id="sign-in-problem" class="sign-in-problem" role="alert">
        ${problem !== undefined && html`${icon("warning")}<span>${problem.detail}</span>`}
      </div>
      <button type="submit" class="button primary" aria-disabled=${isSending}>
        ${isSending ? html`${icon("spinner")} Signing in…` : "Sign in"}
      </button>
    </form>
  </main>`;
}
