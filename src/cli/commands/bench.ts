/** `lathe bench`: how fast training steps are here, as a share of what the machine can do. */
import { writeFileSync } from "node:fs";
import { type CodingSpeed, measureCoding } from "../../backend/bench/codingSpeed";
import { renderCostPlot } from "../../backend/bench/costPlot";
import { type CostRow, measureCosts } from "../../backend/bench/costTable";
import { compareTraining } from "../../backend/bench/againstTorch";
import { compareGeneration } from "../../backend/bench/generationAgainstTorch";
import { measureGeneration } from "../../backend/bench/generationSpeed";
import { measureGroupedBlock, type GroupedRow, groupedSizes } from "../../backend/bench/groupedBlock";
import { findExperiment } from "../../backend/bench/findExperiment";
import {
  countParameters,
  flopsFormula,
  measureSpeed,
  type SpeedRequest,
  standardGpt,
} from "../../backend/bench/trainingSpeed";
import type { Engine } from "../../backend/engine/engine";
import { openEngine } from "../../backend/engine/open";
import { dimensionsOf, createShape } from "../../backend/models/model";
import { planFinalShape } from "../../backend/runs/planning/estimate";
import { loadPlans } from "../../backend/runs/planning/loadPlans";
import { getBatchSize } from "../../backend/training/request";
import { WorkbenchError } from "../../protocol/errors";
import type { DeviceName } from "../../schema/device";
import { dataSchema, type SchemaCatalog, trainSchema } from "../../schema/experiment";
import { defineCommand, type Outcome } from "../command";
import { formatCount } from "../../protocol/quantities";
import { benchOneShot, benchAllOneShot } from "../oneShotBench";
import {
  formatCostTable,
  formatGenerationComparison,
  formatGenerationSpeed,
  formatProfile,
  formatSpeed,
  formatTrainingComparison,
} from "../speedText";
import { formatTable } from "../table";
import { findTorchPython } from "../torchPython";
import type { Terminal } from "../terminal";

interface Options {
  readonly model?: string;
  readonly variant?: string;
  readonly batchSize?: string;
  readonly sequenceLen?: string;
  readonly profile?: boolean;
  readonly against?: string;
  readonly device?: string;
  readonly steps?: string;
  readonly grouped?: boolean;
  readonly table?: boolean;
  readonly generation?: boolean;
  readonly coding?: boolean;
  readonly oneShot?: string | true;
  readonly width?: string;
  readonly python?: string;
  readonly svg?: string;
}

export default defineCommand<readonly [], Options>({
  summary: "time training steps and their matrix products, in one process",
  options: [
    ["--device <name>", "auto, cpu, webgpu, cuda, dml or coreml"],
    ["--model <experiment>", "time the model of an experiment, such as kphi3-55C or a file, for three steps"],
    ["--variant <name>", "variant of the experiment"],
    ["--steps <number>", "timed steps, pairs of --against, or rounds of --grouped"],
    ["--batch-size <number>", "sequences of a step"],
    ["--sequence-len <number>", "tokens of a sequence"],
    ["--profile", "also show the time of a step by operation and by part of the model"],
    [
      "--against <engine>",
      "torch: time only the same steps, or --generation, in Lathe and in PyTorch by turns",
    ],
    ["--grouped", "time only a grouped block and the dense layer it replaces, in every layout"],
    ["--table", "also measure how the time grows with width, depth, sequence and batch"],
    ["--generation", "also time generation, with and without a key-value cache"],
    ["--coding", "time only DFloat11 encoding and decoding, and a plain copy"],
    [
      "--one-shot [method]",
      "time only the compression of one matrix of 768 and one of 3072 inputs, by one method or by every one that needs at most calibration text",
    ],
    ["--width <number>", "width of the matrix of --one-shot METHOD; default 768"],
    ["--python <path>", "Python with PyTorch for --against and --one-shot; default LATHE_PYTHON or python3"],
    ["--svg <file>", "also write the scaling table as an SVG file"],
  ],
  async run({ options, catalog, terminal }) {
    const steps = parseCount("--steps", options.steps);
    if (options.coding === true) return createCodingOutcome(measureCoding((line) => terminal.log(line)));
    if (options.oneShot === true) return await benchAllOneShot(terminal, options.python);
    const request = withSizes(
      options.model === undefined
        ? standardRequest
        : await createModelRequest(options.model, options, catalog),
      options,
    );
    const python = options.against === undefined ? undefined : await requirePeer(options);
    await using engine = await openEngine((options.device ?? "cpu") as DeviceName);
    for (const notice of engine.device.notices) terminal.log(notice);
    const log = (line: string) => terminal.log(line);
    if (python !== undefined) return await benchAgainstTorch(engine, python, request, options, log);
    if (options.oneShot !== undefined)
      return await benchOneShot(engine, options.oneShot, parseWidth(options), options.python);
    if (options.grouped === true) return await benchGrouped(engine, terminal, steps);
    const { profile } = options;
    const speed = await measureSpeed(engine, { ...request, steps: steps ?? request.steps, profile }, log);
    const generation =
      options.generation === true ? await measureGeneration(engine, request.shape.config, log) : undefined;
    const rows: CostRow[] = [];
    if (options.table === true || options.svg !== undefined)
      for await (const row of measureCosts(engine)) {
        log(`${row.axis} ${row.value}: ${(row.speed.secondsPerStep * 1000).toFixed(1)} ms a step`);
        rows.push(row);
      }
    if (options.svg !== undefined) writeFileSync(options.svg, renderCostPlot(rows));
    return {
      document: {
        device: engine.device,
        flopsFormula,
        model: request.title,
        speed,
        generation: generation,
        table: rows,
      },
      text: [
        `${engine.device.name} (${engine.device.description})`,
        formatSpeed(request.title, speed),
        ...(speed.profile === undefined ? [] : [formatProfile(speed.profile, terminal)]),
        ...(generation === undefined ? [] : [formatGenerationSpeed(generation)]),
        ...(rows.length > 0 ? [formatCostTable(rows, terminal)] : []),
      ].join("\n\n"),
    };
  },
});

function createCodingOutcome(coding: CodingSpeed): Outcome {
  const formatThroughput = (perSecond: number) => `${(perSecond / 1e9).toFixed(3)} GB/s`;
  return {
    document: { coding },
    text: [
      `DFloat11 of ${formatCount(coding.weights)} normal bfloat16 weights: ${coding.bitsPerWeight.toFixed(3)} bits a weight.`,
      `Written at ${formatThroughput(coding.encoding)}, read at ${formatThroughput(coding.decoding)} on one core; a plain copy runs at ${formatThroughput(coding.copying)}: ${coding.ratio.toFixed(3)} of it.`,
    ].join("\n"),
  };
}

async function benchGrouped(
  engine: Engine,
  terminal: Terminal,
  rounds = groupedSizes.rounds,
): Promise<Outcome> {
  const rows: GroupedRow[] = [];
  for await (const row of measureGroupedBlock(engine, { ...groupedSizes, rounds })) {
    rows.push(row);
    const speedups = Object.entries(row.speedup).map(([name, each]) => `${name} ${each.toFixed(2)}×`);
    terminal.log(`width ${row.width}, ${row.rows} tokens, ${row.pass}: ${speedups.join(", ")}`);
  }
  const names = Object.keys(rows[0]!.speedup);
  const table = formatTable(
    ["width", "tokens", "pass", "dense ms", ...names],
    rows.map(({ width, rows: tokens, pass, denseMilliseconds, speedup }) => [
      String(width),
      String(tokens),
      pass,
      denseMilliseconds.toFixed(1),
      ...names.map((name) => `${speedup[name]!.toFixed(2)}×`),
    ]),
    terminal,
  );
  return {
    document: { device: engine.device, grouped: rows },
    text: [
      `${engine.device.name} (${engine.device.description})`,
      "How many times faster than the dense layer a block of 12 groups is, by layout (medians of rounds in turn):",
      table,
    ].join("\n\n"),
  };
}

interface TitledSpeedRequest extends SpeedRequest {
  readonly title: string;
}

const standardRequest: TitledSpeedRequest = {
  title: `GPT of ${standardGpt.n_layer} layers, width ${standardGpt.n_embd}, ${standardGpt.n_head} heads`,
  shape: createShape(standardGpt),
  rows: 8,
  length: 256,
  steps: 10,
  warmup: 3,
};

function parseCount(option: string, text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d{0,5}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new WorkbenchError("invalid-input", `${option} must be a whole number of at least 1, not ${text}.`);
}

function withSizes(request: TitledSpeedRequest, { batchSize, sequenceLen }: Options): TitledSpeedRequest {
  const rows = parseCount("--batch-size", batchSize) ?? request.rows;
  const length = parseCount("--sequence-len", sequenceLen) ?? request.length;
  const { context } = dimensionsOf(request.shape);
  if (length > context)
    throw new WorkbenchError(
      "invalid-input",
      `--sequence-len is ${length}, but the model reads at most ${context} tokens.`,
    );
  return { ...request, rows, length };
}

/** The Python that `--against torch` compares with. */
async function requirePeer({ against, python }: Options): Promise<string> {
  if (against !== "torch")
    throw new WorkbenchError("invalid-input", `Unknown engine "${against}" of --against. Allowed: torch.`);
  return await findTorchPython(python);
}

async function benchAgainstTorch(
  engine: Engine,
  python: string,
  request: TitledSpeedRequest,
  { generation, steps: stepsText }: Options,
  log: (line: string) => void,
): Promise<Outcome> {
  const { device } = engine;
  const pairs = parseCount("--steps", stepsText);
  const title = `${request.title}, ${formatCount(countParameters(request.shape))} parameters`;
  if (generation === true) {
    const comparison = await compareGeneration(
      engine,
      python,
      { shape: request.shape, pairs: pairs ?? 5 },
      log,
    );
    return {
      document: { device, model: request.title, generation: comparison },
      text: formatGenerationComparison(title, comparison),
    };
  }
  const comparison = await compareTraining(
    engine,
    python,
    { ...request, steps: pairs ?? request.steps },
    log,
  );
  return {
    document: { device, model: request.title, training: comparison },
    text: formatTrainingComparison(
      `${title}, ${request.rows} × ${request.length} tokens, optimizer inside the step`,
      comparison,
    ),
  };
}

/** Whole heads of 64 channels. */
function parseWidth({ width = "768" }: Options): number {
  if (/^[1-9]\d{1,4}$/.test(width) && Number(width) % 64 === 0) return Number(width);
  throw new WorkbenchError("invalid-input", `--width must be a multiple of 64 below 100,000, not ${width}.`);
}

/** The model, batch and options of an experiment's training. Its weights are drawn and its text is made up. */
async function createModelRequest(
  name: string,
  { variant }: Options,
  catalog: SchemaCatalog,
): Promise<TitledSpeedRequest> {
  const { workspace, plans } = await loadPlans(findExperiment(name), { variant }, catalog);
  const plan = plans[0]!;
  const shape = await planFinalShape(plan, workspace);
  const trainOptions = plan.steps.find(({ action }) => action === "train")?.options ?? {};
  return {
    title: plan.variant === "" || plans.length === 1 ? plan.name : `${plan.name}, variant ${plan.variant}`,
    shape,
    rows: getBatchSize(trainSchema.parse(trainOptions)),
    length: plan.data === undefined ? dimensionsOf(shape).context : dataSchema.parse(plan.data).sequence_len,
    steps: 3,
    warmup: 0,
    train: trainOptions,
  };
}
