// The only place that makes randomness; pure code gets it as an argument.

const BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz";

/** A number in [0, 1). */
export function random(): number {
  return Math.random();
}

/** Unpredictable letters and digits: 5 of them separate runs of one millisecond, 20 make an id on their own. */
export function randomLetters(count: number): string {
  let letters = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(count))) letters += BASE36.charAt(byte % BASE36.length);
  return letters;
}
