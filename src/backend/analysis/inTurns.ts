/**
 * Splits long work into short turns, so that other requests to the service are answered in between and cancellation
 * takes effect.
 */
import { setImmediate } from "node:timers/promises";

const turnMilliseconds = 20;

/** Yields the items, with a pause whenever a turn is over. Throws the abort reason of the signal. */
export async function* inTurns<T>(items: Iterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  let begun = performance.now();
  for (const item of items) {
    yield item;
    if (performance.now() - begun < turnMilliseconds) continue;
    await setImmediate();
    signal.throwIfAborted();
    begun = performance.now();
  }
}
