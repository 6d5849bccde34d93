import { describe, expect, it } from "vitest";
import { formatMetricLine, parseMetricLine } from "../../../../src/backend/runs/metrics/metricLine";
import { MetricColumns } from "../../../../src/backend/service/metrics/metricColumns";
import { MetricScanner } from "../../../../src/backend/service/metrics/metricScanner";
import { NumberReader } from "../../../../src/backend/service/metrics/numberReader";
import type { MetricLine } from "../../../../src/protocol/run";
import { createUniform } from "../../../support/sampleValues";

function scan(text: string) {
  const columns = new MetricColumns();
  const scanner = new MetricScanner(columns);
  scanner.scan(Buffer.from(text));
  return { columns, bad: scanner.bad };
}

/** The columns of the lines that the reader of the command line finds in the same text. */
function parse(text: string) {
  const lines = text.split("\n").slice(0, -1).map(parseMetricLine);
  const columns = new MetricColumns();
  for (const line of lines) if (line !== undefined) columns.addLine(line);
  return { columns, bad: lines.filter((line) => line === undefined).length };
}

function expectEqualColumns(text: string): void {
  const [scanned, parsed] = [scan(text), parse(text)];
  expect({ ...scanned, columns: numbersOf(scanned.columns) }).toEqual({
    ...parsed,
    columns: numbersOf(parsed.columns),
  });
}

function numbersOf({ step, tokens, seconds, metrics }: MetricColumns) {
  return {
    coordinates: [step, tokens, seconds].map(({ values }) => [...values]),
    metrics: new Map(
      [...metrics].map(([name, { rows, values }]) => [name, [[...rows.values], [...values.values]]]),
    ),
  };
}

describe("numbers from bytes", () => {
  const reader = new NumberReader();
  const read = (text: string) => {
    const bytes = Buffer.from(`${text},`);
    const value = reader.read(bytes, 0);
    return { value, whole: reader.end === text.length };
  };

  it("equal those of JSON.parse to the last bit, for any number of digits", () => {
    const random = createUniform(1);
    const bits = new DataView(new ArrayBuffer(8));
    const texts = Array.from({ length: 60_000 }, (_, i) => {
      const value = 10 ** Math.floor(random() * 12 - 6) * (random() - 0.5);
      if (i % 4 === 0) return String(Math.fround(value));
      if (i % 4 === 1) return String(value);
      if (i % 4 === 2) return value.toPrecision(1 + Math.floor(random() * 21));
      bits.setUint32(0, random() * 2 ** 32);
      bits.setUint32(4, random() * 2 ** 32);
      const any = bits.getFloat64(0);
      return Number.isFinite(any) ? String(any) : "0";
    });
    for (const text of texts) {
      const { value, whole } = read(text);
      if (!Object.is(value, JSON.parse(text)) || !whole)
        expect({ text, value, whole }).toBe(JSON.parse(text));
    }
  });

  it("are as close as possible if two floats are almost equally near", () => {
    for (const text of [
      "9007199254740993",
      "9007199254740993.00000001",
      "0.500000000000000055",
      "0.500000000000000056",
      "4503599627370496.5",
      "123456789012345678",
      "0.000000000000000001",
      "1.7976931348623157e308",
      "5e-324",
      "-0",
      "0.0",
      "1e400",
    ])
      expect(Object.is(read(text).value, JSON.parse(text)), text).toBe(true);
  });

  it("are missing where JSON has none", () => {
    for (const text of ["", "-", "01", "1.", ".5", "+1", "1e", "1e+", "--1", "NaN", "1.2.3", "0x1"])
      expect(read(text).whole, text).toBe(false);
  });
});

describe("scanned lines", () => {
  it("match those of the strict reader, in any mixture of formats", () => {
    const random = createUniform(2);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
    const value = () => pick([random() * 10, Math.fround(random()), NaN, 0, -1e-9 * random(), 12, Infinity]);
    const strange = [
      '{"step":1,"seconds":2,"train/loss":1,"train/loss":3}\n',
      '{"step":1,"step":5,"seconds":2,"a/b":1}\n',
      ' {"step": 1, "seconds": 2, "a/b": 1}\n',
      '{"step":1,"seconds":2,"a\\u002fb":1}\n',
      '{"step":1,"seconds":2,"note":7,"a/ü<b>":1}\n',
      '{"step":1,"seconds":2,"a/b":"x"}\n',
      '{"step":1,"seconds":null}\n',
      '{"step":1,"tokens":null,"seconds":2}\n',
      '{"step":1,"seconds":2,"a/b":nul}\n',
      '{"step":1,"seconds":2,"a/b":1}}\n',
      '{"step":1,"seconds":2,"a/b":1},\n',
      '{"step":1,"seconds":2,"a/b":01}\n',
      '{"step":1,"seconds":2,"a/b":1e999}\n',
      '{"step":1,"seconds":2,"__proto__":1,"__proto__/x":1}\n',
      '{"step":1,"seconds":2,"a\n/b":1}\n',
      '{"step":1,"seconds":2}\r\n',
      '{"seconds":2,"a/b":1}\n',
      '{"step":1\n',
      "{}\n",
      "\n",
      "[1]\n",
      '"\n',
    ];
    for (let round = 0; round < 200; round++) {
      const text = Array.from({ length: 60 }, (_, step) => {
        if (random() < 0.2) return pick(strange);
        const line: Record<string, number> = { step };
        if (random() < 0.8) line["tokens"] = step * 512;
        for (const name of ["train/loss", "eval/loss", "train/Ω"]) if (random() < 0.7) line[name] = value();
        line["seconds"] = random() * step;
        return formatMetricLine(line as unknown as MetricLine);
      }).join("");
      expectEqualColumns(text);
    }
  });

  it("may name many metrics, up to a limit", () => {
    const line = (from: number) =>
      `{"step":1,"seconds":1,${Array.from({ length: 6000 }, (_, i) => `"m/${from + i}":1`).join(",")}}\n`;
    expect(scan(line(0)).columns.metrics.size).toBe(6000);
    expect(() => scan(line(0) + line(6000))).toThrow(/more than 10000 metrics/);
  });
});
