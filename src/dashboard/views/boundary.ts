// A wall around a part of the page: when it cannot be drawn, the others stay as they are.

import { html } from "htm/preact";
import { Component, type ComponentChildren } from "preact";

interface BoundaryProps {
  /** What cannot be shown, as it reads in a sentence. */
  readonly part: string;
  /** What the part is about; another one is another try. */
  readonly about?: string | null;
  readonly children?: ComponentChildren;
}

interface BoundaryState {
  readonly hasFailed: boolean;
}

export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { hasFailed: false };

  static override getDerivedStateFromError(): BoundaryState {
    return { hasFailed: true };
  }

  /** For the browser's own error handling: developer tools, and whatever listens to `error` events. */
  override componentDidCatch(error: unknown): void {
    reportError(error);
  }

  override componentDidUpdate(before: BoundaryProps): void {
    if (this.state.hasFailed && before.about !== this.props.about) this.setState({ hasFailed: false });
  }

  override render({ part, children }: BoundaryProps, { hasFailed }: BoundaryState) {
    if (!hasFailed) return children;
    return html`<div class="panel broken" role="alert">
      <p>${part} cannot be shown because of an error on this page. The sync itself is not affected.</p>
      <button type="button" class="button" onClick=${() => this.setState({ hasFailed: false })}>Show it again</button>
    </div>`;
  }
}
