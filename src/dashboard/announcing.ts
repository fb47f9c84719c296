// Tells screen readers, and the tab's title, what has changed.
import { computed, effect, untracked } from "@preact/signals";
import { announceChange, announceProgress } from "./announce.ts";
import type { ConnectionWord } from "./connection.ts";
import { controlNews } from "./control-words.ts";
import { describeHolder } from "./holder.ts";
import { serverTime } from "./server-time.ts";
import { start, syncButton } from "./start.ts";
import { connectionLabel, overview, summary, view } from "./state.ts";
import { CONNECTION_WORDS, runWord } from "./words.ts";

/** A connection that is back sooner was never news. */
const SETTLED_MS = 2_000;
const PRODUCT = "OSA Edge";

const status = computed(() => {
  if (view.value === null) return null;
  const { word } = runWord(view.value, view.value.isCancelling);
  return view.value.isOver ? `${word}. ${view.value.message}` : `${word}.`;
});

const progress = computed(() => {
  if (view.value === null || view.value.isOver || view.value.completedAgents === 0) return null;
  return `${view.value.completedAgents} of ${view.value.expectedAgents} agents completed.`;
});

/** Null until the first snapshot; empty while all is as usual. */
const control = computed(() => (overview.value === null ? null : controlNews(overview.value).join(" ")));

/** What it waits for, or that agents run once more: news in the middle of a run. */
const detour = computed(() => {
  if (view.value === null || view.value.isOver) return null;
  const isDetour = view.value.postponed !== null || view.value.agents.some((agent) => agent.state === "rerunning");
  return isDetour ? view.value.message : null;
});

const connection = computed(() => connectionLabel.value.word);

export function startAnnouncing(): void {
  effect(() => {
    if (status.value !== null) announceChange(`Force sync: ${status.value}`);
  });
  effect(() => {
    if (progress.value !== null) announceProgress(progress.value);
  });
  effect(() => {
    if (detour.value !== null) announceProgress(detour.value);
  });
  let isUsual = true;
  effect(() => {
    if (control.value === null) return;
    if (control.value !== "") announceChange(control.value);
    else if (!isUsual) announceChange("Nothing keeps runs from starting any more.");
    isUsual = control.value === "";
  });
  effect(() => {
    const { value } = start;
    if (value.state !== "busy" || value.isAskingToWait) return;
    announceChange(`Another run is in the way. ${untracked(() => describeHolder(value.holder, serverTime()))}`);
  });
  // To begin with, being live is what everybody expects.
  let announced: ConnectionWord = "live";
  effect(() => {
    const word = connection.value;
    const timer = setTimeout(() => {
      if (word === announced) return;
      announced = word;
      announceChange(`Connection: ${CONNECTION_WORDS[word].word}`);
    }, SETTLED_MS);
    return () => clearTimeout(timer);
  });
  effect(() => {
    document.title = title();
  });
}

/** The state first, so that it can be read on a narrow tab. */
function title(): string {
  if (syncButton.value.state === "starting") return `Starting… · ${PRODUCT}`;
  const shown = summary.value;
  if (shown === null) return PRODUCT;
  const { word } = runWord(shown, (view.value ?? shown).isCancelling);
  return shown.isOver ? `${word} · ${PRODUCT}` : `${shown.progressPercent}% ${word} · ${PRODUCT}`;
}
