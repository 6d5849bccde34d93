/** Measures the colors: contrast as WCAG defines it, and distances under color blindness. */
import { describe, expect, it } from "vitest";
import { getScaleColor } from "../../src/pictures/ramp";
import {
  assignSlots,
  colorCount,
  createPalette,
  getColor,
  type Ground,
  getMark,
  palettes,
} from "../../src/pictures/palette";

type Rgb = readonly [number, number, number];

const linear = (hex: string): Rgb =>
  [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as never;

const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(linear(a)), luminance(linear(b))].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Machado, Oliveira and Fernandes 2009, at full severity. */
const eyes: Readonly<Record<string, readonly Rgb[]>> = {
  protan: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deutan: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
};

/** Oklab, in which distances are perceptually uniform. */
function oklab([r, g, b]: Rgb): Rgb {
  const [l, m, s] = [
    0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
    0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
    0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b,
  ].map((each) => Math.cbrt(Math.max(0, each))) as never as Rgb;
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function closest(
  colors: readonly string[],
  matrix: readonly Rgb[] | undefined,
): { distance: number; pair: string } {
  const seen = colors.map((hex) => {
    const rgb = linear(hex);
    return oklab(
      matrix === undefined
        ? rgb
        : (matrix.map((row) => row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]) as never),
    );
  });
  let found = { distance: Infinity, pair: "" };
  for (let i = 0; i < seen.length; i++)
    for (let j = 0; j < i; j++) {
      const distance = Math.hypot(...seen[i]!.map((each, k) => each - seen[j]![k]!));
      if (distance < found.distance) found = { distance, pair: `${colors[i]!} ${colors[j]!}` };
    }
  return found;
}

const grounds: readonly (readonly [Ground, string])[] = [
  ["light", "#ffffff"],
  ["dark", "#1f1f1f"],
  ["dark", "#000000"],
];

describe.each(grounds)("colors on %s %s", (ground, background) => {
  const colors = Array.from({ length: colorCount }, (_, slot) => getColor(slot, { ground }));

  it("contrast with the background", () => {
    for (const color of colors) expect(contrast(color, background), color).toBeGreaterThanOrEqual(3);
  });

  it.each(["all cones", "protan", "deutan"])("are distinguishable with %s", (eye) => {
    const { distance, pair } = closest(colors, eyes[eye]);
    expect(distance, pair).toBeGreaterThan(eye === "all cones" ? 0.15 : 0.1);
  });
});

describe("palettes to choose", () => {
  it.each(Object.entries(palettes))("%s contrast with every background", (_, palette) => {
    for (const [ground, background] of grounds)
      for (const color of palette[ground])
        expect(contrast(color, background), color).toBeGreaterThanOrEqual(3);
  });

  it("take a person's own colors, and leave out what is none", () => {
    expect(createPalette(["red", 7, "#12345"])).toBeUndefined();
    const { light } = createPalette(["#112233", "no", "#445566"])!;
    expect([0, 1, 2].map((slot) => getColor(slot, { ground: "light", colors: light }))).toEqual([
      "#112233",
      "#445566",
      "#112233",
    ]);
  });

  it("give each run a look of its own with any number of colors", () => {
    for (const count of [2, 7, 9, 14]) {
      const own = Array.from({ length: count }, (_, i) => `#0000${String(i + 10)}`);
      const { light } = createPalette(own)!;
      const looks = Array.from(
        { length: Math.min(56, count * 7) },
        (_, slot) => `${getColor(slot, { ground: "light", colors: light })} ${getMark(slot)}`,
      );
      expect(new Set(looks).size).toBe(looks.length);
    }
  });
});

describe("slots", () => {
  it("stay with the shown runs, and are reused when one is removed", () => {
    const first = assignSlots(["a", "b", "c"], new Map());
    expect([...first.values()]).toEqual([0, 1, 2]);
    const second = assignSlots(["c", "d", "a"], first);
    expect(Object.fromEntries(second)).toEqual({ a: 0, c: 2, d: 1 });
  });

  it("differ in color or marker for 56 runs", () => {
    const looks = Array.from(
      { length: 56 },
      (_, slot) => `${getColor(slot, { ground: "dark" })} ${getMark(slot)}`,
    );
    expect(new Set(looks).size).toBe(56);
  });
});

describe("the colors of a metric", () => {
  it.each<[Ground, string]>([
    ["light", "#ffffff"],
    ["dark", "#1e1e1e"],
  ])("on %s are ordered by lightness and distinct from the background", (ground, background) => {
    const colors = Array.from({ length: 21 }, (_, i) => getScaleColor(i / 20, ground));
    for (const color of colors) expect(contrast(color, background), color).toBeGreaterThanOrEqual(3);
    const lightness = colors.map((color) => luminance(linear(color)));
    expect(lightness).toEqual([...lightness].sort((a, b) => a - b));
  });
});
