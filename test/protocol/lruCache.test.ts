import { describe, expect, it } from "vitest";
import { LruCache } from "../../src/protocol/lruCache";

describe("LruCache", () => {
  it("evicts the least recently used value, where reading counts as use", () => {
    const cache = new LruCache<object>({ limit: 2 });
    const first = cache.set("a", {});
    cache.set("b", {});
    expect(cache.get("a")).toBe(first);
    cache.set("c", {});
    expect(["a", "b", "c"].map((key) => cache.has(key))).toEqual([true, false, true]);
  });

  it("creates a value once", () => {
    const cache = new LruCache<object>({ limit: 1 });
    const first = cache.getOrCreate("a", () => ({}));
    expect(cache.getOrCreate("a", () => ({}))).toBe(first);
    cache.set("b", {});
    expect(cache.getOrCreate("a", () => ({}))).not.toBe(first);
  });

  it("uses current sizes when it trims, and never evicts the newest value", () => {
    const cache = new LruCache<{ size: number }>({ limit: 10, sizeOf: ({ size }) => size });
    const growing = cache.set("a", { size: 4 });
    cache.set("b", { size: 4 });
    growing.size = 100;
    cache.trim();
    expect(["a", "b"].map((key) => cache.has(key))).toEqual([false, true]);
    cache.set("c", { size: 100 });
    expect(["b", "c"].map((key) => cache.has(key))).toEqual([false, true]);
  });

  it("keeps pinned values as long as they are pinned", () => {
    const pinned = new Set(["a"]);
    const cache = new LruCache<object>({ limit: 1, isPinned: (key) => pinned.has(key) });
    cache.set("a", {});
    cache.set("b", {});
    cache.set("c", {});
    expect(["a", "b", "c"].map((key) => cache.has(key))).toEqual([true, false, true]);
    pinned.clear();
    cache.trim();
    expect(["a", "c"].map((key) => cache.has(key))).toEqual([false, true]);
  });
});
