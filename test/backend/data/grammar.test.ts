import { describe, expect, test } from "vitest";
import { MarkovSource } from "../../../src/backend/data/grammar";
import { grammarSchema, type GrammarOptions } from "../../../src/schema/experiment";
import { failureOf, openIn, temporaryFolder } from "./fixtures";

function source(options: Partial<GrammarOptions> = {}): MarkovSource {
  return new MarkovSource(grammarSchema.parse(options));
}

function textOf(grammar: MarkovSource, length?: number): string {
  return [...grammar.generate(length)].join("");
}

describe("the Markov source", () => {
  test("the same seed gives the same text, another seed another, and a longer text begins with a shorter one", () => {
    const text = textOf(source({ seed: 5 }), 150_000);
    expect(text.length).toBe(150_000);
    expect(textOf(source({ seed: 5 }), 150_000)).toBe(text);
    expect(textOf(source({ seed: 5 }), 1000)).toBe(text.slice(0, 1000));
    expect(textOf(source({ seed: 6 }), 1000)).not.toBe(text.slice(0, 1000));
  });

  test.each<Partial<GrammarOptions>>([
    { seed: 1 },
    { seed: 2, order: 2, branching: 3 },
    { seed: 3, symbols: 5, branching: 2, order: 4 },
    { seed: 4, symbols: 2, branching: 2 },
    { seed: 5, symbols: 256, branching: 16 },
    { seed: 6, symbols: 20, branching: 20, order: 3 },
  ])("the source's own cross-entropy approaches the entropy rate: %o", (options) => {
    const grammar = source(options);
    const length = 400_000;
    const paid = grammar.computeCrossEntropy(textOf(grammar, length));
    // The standard deviation of a symbol's cost is about one nat, and adjacent symbols are nearly independent.
    expect(Math.abs(paid - grammar.entropyRate)).toBeLessThan(6 / Math.sqrt(length));
    expect(grammar.entropyRate).toBeLessThanOrEqual(Math.log(options.branching ?? 4));
  });

  test("a model with shorter contexts has a higher loss", () => {
    const grammar = source({ order: 2, symbols: 8, branching: 3 });
    const text = textOf(grammar, 200_000);
    const pairs = new Map<string, number>();
    const singles = new Map<string, number>();
    for (let i = 1; i < text.length; i++) {
      const pair = text.slice(i - 1, i + 1);
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
      singles.set(pair[0]!, (singles.get(pair[0]!) ?? 0) + 1);
    }
    let nats = 0;
    for (const [pair, count] of pairs)
      nats -= (count / (text.length - 1)) * Math.log(count / singles.get(pair[0]!)!);
    expect(nats).toBeGreaterThan(grammar.entropyRate + 0.1);
  });

  test("with two symbols, the entropy rate matches the hand calculation", () => {
    const grammar = source({ symbols: 2, branching: 2, seed: 9 });
    // Estimate both rows from a long text; the rate of a two-state chain follows from them.
    const text = textOf(grammar, 400_000);
    const count = (pair: string): number => {
      let found = 0;
      for (let i = 1; i < text.length; i++) if (text[i - 1] === pair[0] && text[i] === pair[1]) found++;
      return found;
    };
    const p = count(" e") / (count(" e") + count("  "));
    const q = count("e ") / (count("e ") + count("ee"));
    const entropy = (x: number) => -x * Math.log(x) - (1 - x) * Math.log(1 - x);
    expect(grammar.entropyRate).toBeCloseTo((q * entropy(p) + p * entropy(q)) / (p + q), 2);
  });

  test("more transitions than fit in memory, or more successors than symbols, are refused", async () => {
    const large = await failureOf((async () => source({ symbols: 256, order: 4 }))());
    expect(large.message).toContain("at most 4194304");
    const wide = await failureOf((async () => source({ symbols: 4, branching: 5 }))());
    expect(wide.message).toContain("only 4 symbols");
  });
});

describe("data of the grammar", () => {
  test("the floor is the entropy rate with the tokenizer bytes, and text is split at its end", async () => {
    const grammar = grammarSchema.parse({ length: 50_000 });
    using data = await openIn(temporaryFolder(), { grammar });
    expect(data.floor).toBeCloseTo(new MarkovSource(grammar).entropyRate, 12);
    expect(data.summary.train.bytes + data.summary.validation!.bytes).toBe(50_000);
    expect(data.notices.length).toBe(1);
    const text = data.tokenizer.decode(data.train.read(0, 20_000));
    expect(text).toBe(textOf(new MarkovSource(grammar), 20_000));
  });

  test("symbols of two bytes distribute their entropy over both", async () => {
    const grammar = grammarSchema.parse({ length: 50_000, symbols: 200, branching: 8 });
    const source = new MarkovSource(grammar);
    using data = await openIn(temporaryFolder(), { grammar });
    expect(data.floor).toBeCloseTo(source.entropyRate / source.bytesPerSymbol, 12);
    using characters = await openIn(temporaryFolder(), { grammar, tokenizer: "characters" });
    expect(Math.abs(characters.floor! - source.entropyRate)).toBeLessThan(0.01 * source.entropyRate);
  });

  test("it replaces missing files if the experiment allows that", async () => {
    using data = await openIn(temporaryFolder(), { text: "*.txt", fallback: "grammar" });
    expect(data.title).toBe("grammar");
    expect(data.notices[0]).toContain('No file matches "*.txt"');
    expect(data.floor).toBeGreaterThan(0);
  });
});
