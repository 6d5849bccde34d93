/** The scaling law of an experiment: its numbers as a table, what they mean in sentences, and a figure. */
import type { Block } from "../../protocol/blocks";
import { formatNumber, formatShortCount } from "../../protocol/quantities";
import type { RunPlan } from "../../protocol/run";
import { scalingLawSchema, type ScalingLawOptions } from "../../schema/scalingLaw";
import {
  countNeededSizes,
  findPlateaus,
  findSizeOfLoss,
  fitScalingLaw,
  predictLoss,
  type ScalingFit,
  type ScalingPoint,
} from "../../statistics/scalingLaw";
import { createAxisScale } from "../../pictures/axisScale";
import { createScatterPicture } from "../../pictures/scatterPicture";
import { paperTheme as theme } from "../../pictures/theme";
import type { RunFigures } from "../card/figures";
import type { Figure } from "./html";

export interface ScalingSection {
  readonly tables: readonly Block[];
  readonly conclusions: readonly string[];
  readonly figures: readonly Figure[];
}

interface MeasuredPoint extends ScalingPoint {
  readonly variant: string;
}

const curvePoints = 60;

/** Undefined unless a report cell asks for a scaling law. `entropy` is the lowest loss of any model, where the text has one. */
export function createScalingSection(
  plans: readonly RunPlan[],
  figures: readonly RunFigures[],
  entropy: number | undefined,
): ScalingSection | undefined {
  const options = findOptions(plans);
  if (options === undefined) return undefined;
  const names = typeof options.size === "string" ? [options.size] : [...options.size];
  const points = collectPoints(figures, names, options);
  const sizes = listSizes(points);
  const needed = countNeededSizes(names.length);
  if (sizes.length < needed)
    return {
      tables: [],
      figures: [],
      conclusions: [
        `There is no scaling law of ${options.metric} yet: it takes runs of at least ${needed} sizes, and there are ${sizes.length}. Sweep over a key that changes ${names.join(" or ")}.`,
      ],
    };
  const heldOut = names.length === 1 ? sizes.slice(Math.max(needed, sizes.length - options.hold_out)) : [];
  const fitted = points.filter((point) => !heldOut.includes(point.sizes[0]!));
  const fit = fitScalingLaw(fitted);
  return {
    tables: [createLawTable(fit, names, options.metric)],
    conclusions: [
      ...describeLaw(fit, names, options.metric),
      ...(entropy === undefined ? [] : [compareFloor(fit, entropy)]),
      ...describeHeldOut(fit, points, heldOut, options.metric),
      ...(names.length === 1 ? describeTargets(fit, sizes, names[0]!, options) : []),
      ...(names.length === 1 ? describePlateaus(points, fit, names[0]!, options.metric) : []),
    ],
    figures: names.length === 1 ? [createLawFigure(fit, points, names[0]!, options.metric)] : [],
  };
}

function findOptions(plans: readonly RunPlan[]): ScalingLawOptions | undefined {
  const wanted = plans
    .flatMap(({ steps }) => steps)
    .map(({ action, options }) => (action === "report" ? options["scaling_law"] : undefined))
    .find((each) => each !== undefined);
  return wanted === undefined ? undefined : scalingLawSchema.parse(wanted);
}

function collectPoints(
  figures: readonly RunFigures[],
  names: readonly string[],
  { metric, variants }: ScalingLawOptions,
): MeasuredPoint[] {
  return figures.flatMap((run): MeasuredPoint[] => {
    if (variants !== undefined && !variants.includes(run.variant)) return [];
    const loss = run.values[metric];
    const sizes = names.map((name) => getSize(run, name));
    if (loss === undefined || !(loss > 0) || sizes.some((size) => size === undefined || !(size > 0)))
      return [];
    return [{ sizes: sizes as number[], loss, variant: run.variant }];
  });
}

function getSize(run: RunFigures, name: string): number | undefined {
  return name === "tokens" || name === "flops" ? run[name] : run.values[name];
}

/** Different sizes in ascending order; of a law of two sizes, different pairs. */
function listSizes(points: readonly MeasuredPoint[]): number[] {
  const pairs = new Set(points.map(({ sizes }) => sizes.join()));
  const first = [...new Set(points.map(({ sizes }) => sizes[0]!))].sort((a, b) => a - b);
  return points[0]?.sizes.length === 2 ? Array.from(pairs, (_, i) => i) : first;
}

const formatInterval = ([low, high]: readonly [number, number], digits: number): string =>
  `${formatNumber(low, digits)} to ${formatNumber(high, digits)}`;

function createLawTable(
  { law, intervals, deviation }: ScalingFit,
  names: readonly string[],
  metric: string,
): Block {
  return {
    kind: "table",
    title: `Scaling law of ${metric}`,
    columns: ["number", "value", "95 % interval"],
    rows: [
      ["floor, the loss at any size", formatNumber(law.floor, 4), formatInterval(intervals.floor, 4)],
      ...law.terms.flatMap(({ exponent, factor }, i) => [
        [`exponent of ${names[i]!}`, formatNumber(exponent, 3), formatInterval(intervals.exponents[i]!, 3)],
        [`factor of ${names[i]!}`, formatNumber(factor, 4), null],
      ]),
      ["relative deviation of the runs", `${formatNumber(100 * deviation, 3)} %`, null],
    ],
  };
}

function describeLaw({ law, intervals }: ScalingFit, names: readonly string[], metric: string): string[] {
  const terms = law.terms.map(
    ({ factor, exponent }, i) => `${formatNumber(factor, 3)} · ${names[i]!}^−${formatNumber(exponent, 3)}`,
  );
  return [
    `${metric} = ${formatNumber(law.floor, 4)} + ${terms.join(" + ")}, fitted to the runs; the floor is between ${formatInterval(intervals.floor, 4).replace(" to ", " and ")} (95 %).`,
  ];
}

/** The entropy rate of a text from a known source is the floor of every model. */
function compareFloor({ intervals: { floor } }: ScalingFit, entropy: number): string {
  const isInside = floor[0] <= entropy && entropy <= floor[1];
  return `The entropy rate of the text is ${formatNumber(entropy, 4)} nats per token, ${isInside ? "within" : "outside"} the interval of the floor.`;
}

/** How far the law is from sizes that it has not seen. */
function describeHeldOut(
  { law }: ScalingFit,
  points: readonly MeasuredPoint[],
  heldOut: readonly number[],
  metric: string,
): string[] {
  return heldOut.map((size) => {
    const losses = points.filter(({ sizes }) => sizes[0] === size).map(({ loss }) => loss);
    const measured = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const predicted = predictLoss(law, [size]);
    const error = 100 * (predicted / measured - 1);
    return `At ${formatShortCount(size)}, which was not fitted, the law predicts ${metric} ${formatNumber(predicted, 4)}; measured was ${formatNumber(measured, 4)}, ${formatNumber(Math.abs(error), 2)} % ${error < 0 ? "more" : "less"}.`;
  });
}

function describeTargets(
  { law }: ScalingFit,
  sizes: readonly number[],
  name: string,
  { targets = [], metric }: ScalingLawOptions,
): string[] {
  return targets.map((target) => {
    const size = findSizeOfLoss(law, target);
    if (size === undefined)
      return `No size reaches ${metric} ${formatNumber(target, 4)}: it is not above the floor of ${formatNumber(law.floor, 4)}.`;
    const beyond = size / sizes.at(-1)!;
    const warning =
      beyond > 10 ? `, ${formatNumber(beyond, 2)} times the largest run: take it as a direction only` : "";
    return `To reach ${metric} ${formatNumber(target, 4)} takes ${name} of about ${formatShortCount(size)}${warning}.`;
  });
}

/** Where more size did not help: a law that is fitted through such runs predicts little on either side of them. */
function describePlateaus(
  points: readonly MeasuredPoint[],
  { deviation }: ScalingFit,
  name: string,
  metric: string,
): string[] {
  return findPlateaus(
    points.map(({ sizes: [size], loss }) => ({ size: size!, loss })),
    deviation,
  ).map(({ from, to, change }) => {
    const range = `from ${name} of ${formatShortCount(from)} to ${formatShortCount(to)}`;
    return change > 0
      ? `Plateau: ${metric} rose by ${formatNumber(change, 2)} ${range}. Train the larger one longer, or compare other learning rates, before the law is used there.`
      : `Plateau: ${metric} fell by only ${formatNumber(-change, 2)} ${range}, no more than runs of one size differ.`;
  });
}

function createLawFigure(
  { law }: ScalingFit,
  points: readonly MeasuredPoint[],
  name: string,
  metric: string,
): Figure {
  const sizes = points.map((point) => point.sizes[0]!);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const curve = Array.from({ length: curvePoints }, (_, i) => {
    const x = least * (most / least) ** (i / (curvePoints - 1));
    return { x, y: predictLoss(law, [x]) };
  });
  const variants = [...new Set(points.map(({ variant }) => variant))];
  const losses = points.map(({ loss }) => loss);
  const title = `${metric} along ${name}, with the fitted law`;
  const picture = createScatterPicture({
    title,
    across: { title: name, scale: createAxisScale(sizes, { logarithmic: true, maxTicks: 6 }) },
    up: {
      title: metric,
      scale: createAxisScale([...losses, ...curve.map(({ y }) => y)], { logarithmic: false, maxTicks: 6 }),
    },
    points: points.map(({ sizes: [x], loss, variant }) => ({
      x: x!,
      y: loss,
      slot: variants.indexOf(variant),
      emphasis: "normal",
    })),
    lines: [{ points: curve, slot: 0 }],
    theme,
    width: 520,
    height: 320,
  });
  return {
    name: "scaling-law",
    picture: { ...picture, title },
    lines: [
      [name, metric, "fitted"],
      ...points.map(({ sizes: [x], loss }) => [x!, loss, predictLoss(law, [x!])].map(String)),
    ],
  };
}
