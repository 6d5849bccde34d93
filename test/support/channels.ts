import type { Channel } from "../../src/protocol/connection";

/** Two ends in one process. A message is cloned, as between processes, and arrives later. */
export function createChannels(): readonly [Channel, Channel] {
  const create = () => {
    const listeners: ((message: unknown) => void)[] = [];
    return { listeners, deliver: (message: unknown) => listeners.forEach((each) => each(message)) };
  };
  const [a, b] = [create(), create()];
  const end = (own: typeof a, other: typeof a): Channel => ({
    post: (message) => {
      const copy: unknown = structuredClone(message);
      queueMicrotask(() => other.deliver(copy));
    },
    listen: (listener) => void own.listeners.push(listener),
  });
  return [end(a, b), end(b, a)];
}
