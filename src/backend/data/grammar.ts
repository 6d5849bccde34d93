/**
 * Text from a seeded Markov source: the last `order` symbols decide which `branching` symbols may follow and how
 * likely each is. Its entropy rate, the lowest loss that any model can reach, follows from the stationary distribution.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { GrammarOptions } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";

/** Transitions that the source may have: 48 MB of tables. */
const MAX_TRANSITIONS = 1 << 22;
const CHUNK = 1 << 16;

export class MarkovSource {
  /** Nats a symbol. */
  readonly entropyRate: number;
  /** Mean UTF-8 bytes of a symbol in the long run. */
  readonly bytesPerSymbol: number;
  readonly #alphabet: readonly string[];
  readonly #contexts: number;
  /** Row of a context: its successors, and their probabilities. */
  readonly #successors: Uint8Array;
  readonly #probabilities: Float64Array;
  readonly #stationary: Float64Array;

  constructor(readonly options: GrammarOptions) {
    const { symbols, branching, order, seed } = options;
    this.#contexts = symbols ** order;
    assertPossible(options, this.#contexts);
    this.#alphabet = alphabet.slice(0, symbols);
    const random = xoroshiro128plus(seed);
    this.#successors = new Uint8Array(this.#contexts * branching);
    this.#probabilities = new Float64Array(this.#contexts * branching);
    for (let context = 0; context < this.#contexts; context++) this.#drawRow(context, random);
    this.#stationary = this.#settle();
    let entropy = 0;
    let bytes = 0;
    for (let context = 0; context < this.#contexts; context++) {
      const share = this.#stationary[context]!;
      if (share === 0) continue;
      bytes += share * Buffer.byteLength(this.#alphabet[context % symbols]!);
      for (let i = context * branching; i < (context + 1) * branching; i++)
        entropy -= share * this.#probabilities[i]! * Math.log(this.#probabilities[i]!);
    }
    this.entropyRate = entropy;
    this.bytesPerSymbol = bytes;
  }

  /** `length` symbols in parts, beginning in the stationary distribution; the same text every time. */
  *generate(length = this.options.length): Generator<string> {
    const { symbols, branching, order, seed } = this.options;
    // Another stream than the table's, so that tables and texts of one seed have nothing in common.
    const random = xoroshiro128plus(seed);
    random.jump();
    let context = this.#draw(this.#stationary, 0, this.#contexts, random);
    let part = "";
    for (let i = 0; i < length; i++) {
      if (i >= order) {
        const row = context * branching;
        const successor = this.#successors[row + this.#draw(this.#probabilities, row, branching, random)]!;
        context = this.#after(context, successor);
        part += this.#alphabet[successor]!;
      } else part += this.#alphabet[Math.floor(context / symbols ** (order - 1 - i)) % symbols]!;
      if (part.length >= CHUNK) {
        yield part;
        part = "";
      }
    }
    if (part !== "") yield part;
  }

  /** Nats a symbol that the source itself pays for a text, beyond its first `order` symbols. */
  computeCrossEntropy(generate: string): number {
    const { symbols, branching, order } = this.options;
    const idOf = new Map(this.#alphabet.map((symbol, id) => [symbol, id]));
    let context = 0;
    let nats = 0;
    for (let i = 0; i < generate.length; i++) {
      const symbol = idOf.get(generate[i]!);
      if (symbol === undefined) return Infinity;
      if (i >= order) {
        const row = context * branching;
        const at = this.#successors.subarray(row, row + branching).indexOf(symbol);
        nats -= at < 0 ? -Infinity : Math.log(this.#probabilities[row + at]!);
      }
      context = (context * symbols + symbol) % this.#contexts;
    }
    return nats / (generate.length - order);
  }

  #after(context: number, symbol: number): number {
    return (context * this.options.symbols + symbol) % this.#contexts;
  }

  /**
   * Every context allows the first symbol. So the context of first symbols alone is reached from everywhere and may
   * follow itself: there is one recurrent class without a period, and one stationary distribution.
   */
  #drawRow(context: number, random: RandomGenerator): void {
    const { symbols, branching } = this.options;
    const row = context * branching;
    const others = Array.from({ length: symbols - 1 }, (_, i) => i + 1);
    let sum = 0;
    for (let i = 0; i < branching; i++) {
      if (i > 0) {
        const pick = uniformInt(random, i - 1, others.length - 1);
        [others[i - 1], others[pick]] = [others[pick]!, others[i - 1]!];
        this.#successors[row + i] = others[i - 1]!;
      }
      // Exponential weights, divided by their sum, are uniform over all distributions.
      const weight = -Math.log(1 - uniformFloat64(random)) + Number.EPSILON;
      this.#probabilities[row + i] = weight;
      sum += weight;
    }
    for (let i = row; i < row + branching; i++) this.#probabilities[i]! /= sum;
  }

  /** The stationary distribution by power iteration, from the context that is surely recurrent. */
  #settle(): Float64Array {
    const { branching } = this.options;
    let now = new Float64Array(this.#contexts);
    let then = new Float64Array(this.#contexts);
    now[0] = 1;
    for (let change = 1; change > 1e-13;) {
      then.fill(0);
      for (let context = 0; context < this.#contexts; context++) {
        const share = now[context]!;
        if (share === 0) continue;
        for (let i = context * branching; i < (context + 1) * branching; i++)
          then[this.#after(context, this.#successors[i]!)]! += share * this.#probabilities[i]!;
      }
      change = 0;
      for (let i = 0; i < now.length; i++) change += Math.abs(then[i]! - now[i]!);
      [now, then] = [then, now];
    }
    return now;
  }

  /** An index drawn with the given weights, which sum to one. */
  #draw(weights: Float64Array, from: number, count: number, random: RandomGenerator): number {
    let left = uniformFloat64(random);
    let last = 0;
    for (let i = 0; i < count; i++) {
      const weight = weights[from + i]!;
      if (weight === 0) continue;
      last = i;
      left -= weight;
      if (left < 0) return i;
    }
    return last; // Rounding may leave a rest of 1e-16.
  }
}

/** A space first, as it is the commonest symbol; letters, the rest of ASCII, then letters of two bytes. */
const alphabet: readonly string[] = (() => {
  const first = Array.from(" etaoinshrdlcumwfgypbvkjxqz.,;:!?");
  const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));
  const letters = Array.from({ length: 161 }, (_, i) => String.fromCharCode(0xc0 + i));
  return [...first, ...ascii.filter((symbol) => !first.includes(symbol)), ...letters];
})();

function assertPossible({ symbols, branching, order }: GrammarOptions, contexts: number): void {
  if (branching > symbols)
    throw new WorkbenchError(
      "invalid-input",
      `grammar.branching is ${branching}, but there are only ${symbols} symbols to follow. ` +
        `Set it to at most ${symbols}, or raise grammar.symbols.`,
    );
  if (contexts * branching > MAX_TRANSITIONS)
    throw new WorkbenchError(
      "invalid-input",
      `A grammar of ${symbols} symbols and order ${order} with ${branching} successors has ` +
        `${contexts * branching} transitions; at most ${MAX_TRANSITIONS} are possible. ` +
        "Lower grammar.order, grammar.symbols or grammar.branching.",
    );
}
