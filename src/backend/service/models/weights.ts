/** Computes statistics and pictures of weights; the weights themselves never leave the service. */
import { WorkbenchError } from "../../../protocol/errors";
import type { ModelRequests, Subject } from "../../../protocol/service/models";
import type { OpenedModel } from "../../imports/openedModel";
import { computeCorrelation } from "../../analysis/correlation";
import { computeDistributions } from "../../analysis/distributions";
import { computeHeatMap } from "../../analysis/heatMap";
import { getRoleValues, listWeightRoles } from "../../analysis/roleValues";
import type { Service } from "../service";
import { openSubject, formatTitle } from "./subjects";

const maxBins = 4096;
const maxCells = 2 ** 20;
const maxSubjects = 16;
const maxCorrelated = 512;

type Histogram = ModelRequests["weights.histogram"];
type Picture = ModelRequests["weights.heatMap"];
type Correlation = ModelRequests["weights.correlation"];

export function listRoles(service: Service, subject: Subject): ModelRequests["weights.roles"]["result"] {
  using model = openSubject(service, subject);
  const title = subject.kind === "plan" ? model.source : formatTitle(service, subject);
  return { title, roles: listWeightRoles(model.shape) };
}

export async function createHistogram(
  service: Service,
  { subjects, role, bins }: Histogram["params"],
  signal: AbortSignal,
): Promise<Histogram["result"]> {
  checkRange("bins", bins, maxBins);
  checkRange("subjects", subjects.length, maxSubjects);
  const models: OpenedModel[] = [];
  try {
    for (const subject of subjects) models.push(openSubject(service, subject));
    const values = models.map((model) => getRoleValues(model, role));
    return { distributions: await computeDistributions(values, bins, signal) };
  } finally {
    for (const model of models) model[Symbol.dispose]();
  }
}

export async function createHeatMap(
  service: Service,
  { subject, role, rows, columns }: Picture["params"],
  signal: AbortSignal,
): Promise<Picture["result"]> {
  checkRange("rows", rows, maxCells);
  checkRange("columns", columns, maxCells);
  checkRange("cells of a heat map", rows * columns, maxCells);
  using model = openSubject(service, subject);
  return await computeHeatMap(getRoleValues(model, role), { rows, columns }, signal);
}

export async function createCorrelation(
  service: Service,
  { subject, role, along, most }: Correlation["params"],
  signal: AbortSignal,
): Promise<Correlation["result"]> {
  checkRange("rows or columns", most, maxCorrelated);
  using model = openSubject(service, subject);
  return await computeCorrelation(getRoleValues(model, role), along, most, signal);
}

function checkRange(what: string, value: number, limit: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= limit) return;
  throw new WorkbenchError("invalid-input", `The number of ${what} must be 1 to ${limit}, not ${value}.`);
}
