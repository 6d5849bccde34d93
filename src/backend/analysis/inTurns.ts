/** Long work in short turns: whoever else asks the service something is answered in between, and nobody has to wait for the end. */
import { setImmediate } from "node:timers/promises";

const turnMilliseconds = 20;

/** The items, with a pause whenever a turn is over; throws what the signal was aborted with. */
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
