/** How a loss was measured. Losses with different protocols, or of different text, are different quantities. */
import { formatCount } from "./quantities";

export interface LossProtocol {
  /** Name of the data, for a reader. */
  readonly data: string;
  readonly split: string;
  /** Hash of the ids in the order and the sequences in which the model read them, and of what counts. */
  readonly hash: string;
  /** Tokens that count in the loss, or the number of other units. */
  readonly tokens: number;
  /** What is counted, if not tokens. */
  readonly unit?: "rows" | undefined;
  /** Everything else that changes the number: `sequences of 256, mean over tokens`. */
  readonly method: string;
}

/** By metric: `eval/loss`, `perplexity/token`. */
export type LossProtocols = Readonly<Record<string, LossProtocol>>;

/** Whether two numbers may be compared; unknown protocols are those of runs that did not record any. */
export function isSameProtocol(a: LossProtocol | undefined, b: LossProtocol | undefined): boolean {
  return a === undefined || b === undefined || getProtocolKey(a) === getProtocolKey(b);
}

export function describeProtocol({ data, split, hash, tokens, unit, method }: LossProtocol): string {
  const hashed = unit ?? "ids";
  return `${formatCount(tokens)} ${unit ?? "tokens"} of ${data}, ${split} split (${hashed} ${hash.slice(0, 8)}), ${method}`;
}

/** In few words: `9 tokens instead of 12; sequences of 64 instead of sequences of 128`. */
export function describeDifference(protocol: LossProtocol, reference: LossProtocol): string {
  const name = ({ data, split }: LossProtocol) => `${data}, ${split} split`;
  const count = ({ tokens, unit }: LossProtocol) => `${formatCount(tokens)} ${unit ?? "tokens"}`;
  const [terms, referenceTerms] = [protocol.method.split(", "), reference.method.split(", ")];
  const join = (own: readonly string[], others: readonly string[]) =>
    own.filter((term) => !others.includes(term)).join(", ");
  const [extra, missing] = [join(terms, referenceTerms), join(referenceTerms, terms)];
  const text =
    name(protocol) !== name(reference)
      ? `other text, ${name(protocol)} instead of ${name(reference)}`
      : protocol.hash === reference.hash
        ? undefined
        : protocol.tokens === reference.tokens
          ? "other text under the same name"
          : `${count(protocol)} instead of ${count(reference)}`;
  const method =
    protocol.method === reference.method
      ? undefined
      : missing === ""
        ? extra
        : extra === ""
          ? `without “${missing}”`
          : `${extra} instead of ${missing}`;
  return [text, method].filter((part) => part !== undefined).join("; ");
}

export interface ProtocolGroups {
  /** The letter of each run's protocol, undefined if it is unknown; none at all where every known one is the same. */
  readonly letters: readonly (string | undefined)[];
  /** What each letter means, and that only equal letters may be compared. */
  readonly notes: readonly string[];
}

/** Letters for numbers side by side that may not all be compared with each other. */
export function groupByProtocol(
  metric: string,
  protocols: readonly (LossProtocol | undefined)[],
): ProtocolGroups {
  const groups = new Map<string, { readonly letter: string; readonly text: string }>();
  for (const protocol of protocols) {
    if (protocol === undefined) continue;
    const key = getProtocolKey(protocol);
    if (!groups.has(key))
      groups.set(key, { letter: toLetter(groups.size), text: describeProtocol(protocol) });
  }
  if (groups.size < 2) return { letters: protocols.map(() => undefined), notes: [] };
  return {
    letters: protocols.map((protocol) => protocol && groups.get(getProtocolKey(protocol))!.letter),
    notes: [
      `The ${metric} of these runs is not comparable across letters, because it was measured on different text or in different ways.`,
      ...[...groups.values()].map(({ letter, text }) => `${letter}: ${text}.`),
    ],
  };
}

/** Equal for numbers that may be compared. */
export function getProtocolKey({ hash, method }: LossProtocol): string {
  return `${hash} ${method}`;
}

/** A, …, Z, A1, … */
export function toLetter(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : `${letter}${Math.floor(index / 26)}`;
}
