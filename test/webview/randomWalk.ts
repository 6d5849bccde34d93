/**
 * A random walk over the controls of a page: after every action the page shows exactly the model of its state. The same seed
 * walks the same way.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { expect } from "vitest";
import type { TestPage } from "./pageHarness";

/** `npm run test:long` takes a thousand. */
const steps = process.env["LATHE_LONG"] === undefined ? 200 : 1000;
const seed = 20_261;

/** An action in the page, as script, and what it does to the model. */
export interface Action<Model> {
  readonly script: string;
  readonly apply: (model: Model) => unknown;
}

export class Chance {
  private readonly generator = xoroshiro128plus(seed);
  below(limit: number): number {
    return Math.floor(uniformFloat64(this.generator) * limit);
  }
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

/** Acts, waits until the page has drawn, and reads what it shows, in one trip. */
export async function walk<Model>(
  page: TestPage,
  model: Model,
  choose: (chance: Chance, model: Model) => Action<Model>,
  readScript: string,
  describeModel: (model: Model) => unknown,
): Promise<void> {
  const chance = new Chance();
  const log: string[] = [];
  for (let step = 0; step < steps; step++) {
    const { script, apply } = choose(chance, model);
    apply(model);
    log.push(script);
    const expected = JSON.stringify(describeModel(model));
    // Until it equals the model, or for two seconds: an answer of the service may be on its way.
    const shown = await page.page.evaluate<string>(`(async () => {
      ${helpers}
      ${script};
      const read = () => JSON.stringify(${readScript});
      let shown;
      for (const end = performance.now() + 2000; performance.now() < end; ) {
        await new Promise((drawn) => requestAnimationFrame(drawn));
        shown = read();
        if (shown === ${JSON.stringify(expected)}) break;
      }
      return shown;
    })()`);
    if (shown !== expected)
      expect(JSON.parse(shown), `step ${step}, after:\n${log.slice(-4).join("\n")}`).toEqual(
        JSON.parse(expected),
      );
  }
  expect(page.faults).toEqual([]);
}

/** Reads and controls as a person has them. */
const helpers = `
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (selector, name) => all(selector).find((each) => (each.getAttribute("aria-label") ?? each.textContent.trim()) === name);
  const press = (selector, name) => named(selector, name).click();
  const select = (name, value) => { const box = named("select", name); box.value = value; box.dispatchEvent(new Event("change", { bubbles: true })); };
  const type = (field, text) => { field.value = text; field.dispatchEvent(new Event("input", { bubbles: true })); };
  const key = (target, key, more = {}) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
`;
