/**
 * Splits long work into short turns, so that other requests to the service are answered in between and cancellation
 * takes effect.
 */
import { setImmediate } from "node:timers/promises";

const sliceMilliseconds = 20;

/** Yields the items, with a pause whenever a turn is over. Throws the abort reason of the signal. */
export async function* iterateWithPauses<T>(items: Iterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  let sliceStart = performance.now();
  for (const item of items) {
    yield item;
    if (performance.now() - sliceStart < sliceMilliseconds) continue;
    await setImmediate();
    signal.throwIfAborted();
    sliceStart = performance.now();
  }
}
