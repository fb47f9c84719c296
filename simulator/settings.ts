// What a simulator is started with, defaults filled in.

export interface Settings {
  /** OSA's address; with a path, the whole address of the webhook. */
  readonly target: URL;
  readonly webhookSecret: string;
  /** The bearer key that the trigger must show at first; it can be changed. */
  readonly triggerKey: string;
  /** The bearer token that opens OSA's functions; without one none is called. */
  readonly toolsToken: string | undefined;
  /** 1 plays in real minutes, 12 twelve times as fast. */
  readonly speed: number;
  readonly log: (line: string) => void;
}

export const DEFAULT_PORT = 8788;
export const DEFAULT_SPEED = 12;
export const DEFAULT_TARGET = "http://127.0.0.1:8787";
