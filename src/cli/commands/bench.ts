/** `lathe bench`: how fast training steps are here, as a share of what the machine can do. */
import { writeFileSync } from "node:fs";
import Table from "cli-table3";
import { costPlot } from "../../backend/bench/costPlot";
import { type CostRow, costTable } from "../../backend/bench/costTable";
import { type GenerationSpeed, measureGeneration } from "../../backend/bench/generationSpeed";
import { flopsFormula, measureSpeed, type Speed, standardGpt } from "../../backend/bench/trainingSpeed";
import { openEngine } from "../../backend/engine/onnxRuntime";
import type { DeviceName } from "../../protocol/experiment";
import { defineCommand } from "../command";
import { bytes, count, figure } from "../../protocol/quantities";
import type { Terminal } from "../terminal";

interface Options {
  readonly device?: string;
  readonly steps?: string;
  readonly table?: boolean;
  readonly generation?: boolean;
  readonly svg?: string;
}

export default defineCommand<readonly [], Options>({
  summary: "time training steps beside plain matrix products, in one process",
  options: [
    ["--device <name>", "auto, cpu, webgpu, cuda, dml or coreml"],
    ["--steps <number>", "timed steps", (text) => text],
    ["--table", "also how the time grows with width, depth, sequence and batch"],
    ["--generation", "also how fast text is written, with a cache of keys and values and without"],
    ["--svg <file>", "write that table as a picture"],
  ],
  async run({ options, terminal }) {
    await using engine = await openEngine((options.device ?? "cpu") as DeviceName);
    for (const notice of engine.device.notices) terminal.say(notice);
    const steps = Number(options.steps ?? 10);
    const say = (line: string) => terminal.say(line);
    const gpt = await measureSpeed(
      engine,
      { config: standardGpt, rows: 8, length: 256, steps, warmup: 3 },
      say,
    );
    const writing =
      options.generation === true ? await measureGeneration(engine, standardGpt, say) : undefined;
    const rows: CostRow[] = [];
    if (options.table === true || options.svg !== undefined)
      for await (const row of costTable(engine)) {
        say(`${row.axis} ${row.value}: ${(row.speed.secondsPerStep * 1000).toFixed(1)} ms a step`);
        rows.push(row);
      }
    if (options.svg !== undefined) writeFileSync(options.svg, costPlot(rows));
    return {
      document: { device: engine.device, flopsFormula, gpt, generation: writing, table: rows },
      text: [
        `${engine.device.name} (${engine.device.description})`,
        summary(gpt),
        ...(writing === undefined ? [] : [writingSummary(writing)]),
        ...(rows.length > 0 ? [tableOf(rows, terminal)] : []),
      ].join("\n\n"),
    };
  },
});

const giga = (flops: number) => `${(flops / 1e9).toFixed(1)} GFLOP/s`;

function summary(speed: Speed): string {
  const lines: readonly (readonly [string, string])[] = [
    [
      "model",
      `GPT of ${standardGpt.n_layer} layers, width ${standardGpt.n_embd}, ${standardGpt.n_head} heads, ${count(speed.parameters)} parameters`,
    ],
    ["batch", `${speed.rows} × ${speed.length} tokens, optimizer inside the step`],
    ["step", `${(speed.secondsPerStep * 1000).toFixed(1)} ms (median)`],
    ["tokens", `${count(speed.tokensPerSecond)} a second`],
    ["model rate", `${giga(speed.flopsPerSecond)} (${flopsFormula})`],
    [
      "ceiling",
      `${giga(speed.ceilingFlopsPerSecond)} in a plain matrix product, measured between the steps (median)`,
    ],
    ["ratio", speed.ratio.toFixed(3)],
    [
      "peak memory",
      `${bytes(speed.peakBytes)} of the process; ${bytes(speed.estimatedBytes)} expected for the graph`,
    ],
    ["loss", `${speed.lossFirst.toFixed(4)} → ${speed.lossLast.toFixed(4)}`],
  ];
  return listed(lines);
}

function writingSummary({ promptTokens, newTokens, cached, uncached, ratio }: GenerationSpeed): string {
  const speeds = (speed: GenerationSpeed["cached"]) =>
    `${figure(speed.promptTokensPerSecond)} tokens of a prompt a second, ${figure(speed.newTokensPerSecond)} new ones`;
  return listed([
    ["writing", `${newTokens} tokens after a prompt of ${promptTokens}, one text (medians)`],
    ["with cache", speeds(cached)],
    ["without", speeds(uncached)],
    ["ratio", `${figure(ratio)} times as many new tokens with the cache`],
  ]);
}

function listed(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([name, value]) => `${name.padEnd(12)} ${value}`).join("\n");
}

function tableOf(rows: readonly CostRow[], terminal: Terminal): string {
  const head = ["axis", "value", "parameters", "ms a step", "tokens/s", "model GFLOP/s", "ratio"];
  const table = new Table({
    head: head.map((each) => terminal.colors.bold(each)),
    colAligns: ["left", ...head.slice(1).map(() => "right" as const)],
    style: { head: [], border: [], compact: true },
  });
  for (const { axis, value, speed } of rows)
    table.push([
      axis,
      value,
      count(speed.parameters),
      (speed.secondsPerStep * 1000).toFixed(1),
      count(speed.tokensPerSecond),
      (speed.flopsPerSecond / 1e9).toFixed(1),
      speed.ratio.toFixed(2),
    ]);
  return table.toString();
}
