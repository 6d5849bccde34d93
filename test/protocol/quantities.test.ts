import { expect, it } from "vitest";
import {
  formatAligned,
  formatBytes,
  formatChange,
  formatCount,
  formatDuration,
  formatNumber,
  formatFlops,
  formatDateTime,
  formatPercent,
  pluralize,
  formatProgress,
  formatShortCount,
} from "../../src/protocol/quantities";

it.each([
  [0, "0"],
  [4.123456, "4.123"],
  [0.5, "0.5"],
  [12, "12"],
  [1234.5, "1,235"],
  [1234567, "1,234,567"],
  [0.0000123, "1.23e−5"],
  [1e9, "1.00e+9"],
  [-2, "−2"],
  [NaN, "NaN"],
  [Infinity, "∞"],
  [-Infinity, "−∞"],
])("the value %d is formatted as %s", (value, text) => expect(formatNumber(value)).toBe(text));

it("gives the numbers of one column the same number of digits", () => {
  expect([1.5, 12, -0.5, 0, 1500].map((value) => formatAligned(value))).toEqual([
    "1.500",
    "12.00",
    "−0.5000",
    "0",
    "1,500",
  ]);
});

it("formats counts with commas, or with three digits and a letter", () => {
  expect([0, 1234567.4, -1234].map(formatCount)).toEqual(["0", "1,234,567", "−1,234"]);
  expect([3.214, 450, 999.7, 12_345, 2_500_000, 999_999, -1e13].map(formatShortCount)).toEqual([
    "3.21",
    "450",
    "1k",
    "12.3k",
    "2.5M",
    "1M",
    "−10T",
  ]);
  expect([pluralize(1, "run"), pluralize(0, "run"), pluralize(5000, "run")]).toEqual([
    "1 run",
    "0 runs",
    "5,000 runs",
  ]);
});

it("formats sizes and work in decimal units, and never 1,000 of a unit if there is a larger one", () => {
  expect([0, 999, 1000, 296_448, 999_999, 1.5e9, 2e15, -2500].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.00 kB",
    "296.45 kB",
    "1.00 MB",
    "1.50 GB",
    "2.00 PB",
    "−2.50 kB",
  ]);
  expect([12, 3.4e9].map(formatFlops)).toEqual(["12 FLOP", "3.40 GFLOP"]);
});

it("formats times in at most two units", () => {
  expect([-5, 0, 12.4, 75, 185, 3725, 90_000, 172_800].map(formatDuration)).toEqual([
    "0 s",
    "0 s",
    "12 s",
    "1 min 15 s",
    "3 min 5 s",
    "1 h 2 min",
    "1 d 1 h",
    "2 d 0 h",
  ]);
  expect([Infinity, NaN].map(formatDuration)).toEqual(["–", "–"]);
  expect(formatDateTime("2026-03-04T05:06:07")).toBe("2026-03-04 05:06");
  expect([formatDateTime(""), formatDateTime("yesterday")]).toEqual(["–", "–"]);
});

it("formats shares, changes, and progress that only shows 100 % at the end", () => {
  expect([0, 0.0512, 0.25, 1, -0.845, NaN].map(formatPercent)).toEqual([
    "0.0 %",
    "5.12 %",
    "25.0 %",
    "100.0 %",
    "−84.5 %",
    "–",
  ]);
  expect([formatChange(0.123), formatChange(-0.5)]).toEqual(["+12.3 %", "−50.0 %"]);
  expect([-1, 0.435, 0.999, 1].map(formatProgress)).toEqual(["0 %", "43 %", "99 %", "99 %"]);
});
