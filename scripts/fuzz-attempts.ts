// One attempt at the signature check: what was signed, by whom, when, and what became of it on the way. Plain data drawn
// by fast-check; signing itself is the caller's, with a library that shares no code with the receiver.
import fc from "fast-check";
import {
  type HarmlessChange,
  harmless,
  type Mutation,
  mutate,
  mutation,
  type Scheme,
  type SignatureFields,
  writeOtherwise,
} from "./fuzz-headers.ts";

/** Two that the receiver knows, and one that it does not. */
export type Signatory = "current" | "previous" | "stranger";

export type BodyChange = "none" | "a bit" | "a byte more" | "a byte less" | "a line break more" | "nothing left";

export interface Attempt {
  readonly scheme: Scheme;
  readonly signatory: Signatory;
  /** How long before it arrives it was signed. */
  readonly ageSeconds: number;
  readonly bodyChange: BodyChange;
  readonly at: number;
  readonly mutations: readonly Mutation[];
  readonly harmless: readonly HarmlessChange[];
}

const age = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.integer({ min: -300, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(-301, 301, 3_600, -3_600, 86_400 * 365, 300, -300) },
);

const ALL_SCHEMES: readonly Scheme[] = ["osa", "osa", "standard", "bare"];

const anyAttempt = {
  scheme: fc.constantFrom(...ALL_SCHEMES),
  signatory: fc.constantFrom<Signatory[]>("current", "current", "previous", "stranger"),
  ageSeconds: age,
  bodyChange: fc.constantFrom<BodyChange[]>(
    ...Array.from({ length: 10 }, () => "none" as const),
    ...(["a bit", "a byte more", "a byte less", "a line break more", "nothing left"] as const),
  ),
  at: fc.nat(1_999),
};

/** Changed by chance: hardly any is genuine still. */
export const forgedAttempt: fc.Arbitrary<Attempt> = fc.record({
  ...anyAttempt,
  mutations: fc.array(mutation, { minLength: 1, maxLength: 3 }),
  harmless: fc.constant([]),
});

/** Written otherwise, but genuine: every one must be accepted where its scheme is. */
export const genuineAttempt = (schemes = ALL_SCHEMES): fc.Arbitrary<Attempt> =>
  fc.record({
    ...anyAttempt,
    scheme: fc.constantFrom(...schemes),
    signatory: fc.constantFrom<Signatory[]>("current", "current", "previous"),
    ageSeconds: fc.integer({ min: -300, max: 300 }),
    bodyChange: fc.constant("none" as const),
    mutations: fc.constant([]),
    harmless,
  });

/** Headers as they arrive, from those that the sender wrote. */
export function headersOf({ scheme, mutations, harmless }: Attempt, signed: SignatureFields): SignatureFields {
  const written = harmless.reduce((fields, which) => writeOtherwise(scheme, fields, which), signed);
  return mutations.reduce(mutate, written);
}

/** The body as it arrives, from the one that was signed. */
export function bodyOf({ bodyChange, at }: Pick<Attempt, "bodyChange" | "at">, signed: Uint8Array): Uint8Array {
  switch (bodyChange) {
    case "none":
      return signed;
    case "a bit":
      return signed.map((byte, index) => (index === at % signed.length ? byte ^ (1 << (at % 8)) : byte));
    case "a byte more":
      return Uint8Array.of(...signed, at % 256);
    case "a byte less":
      return signed.slice(0, -1);
    case "a line break more":
      return Uint8Array.of(...signed, 0x0a);
    case "nothing left":
      return new Uint8Array();
  }
}
