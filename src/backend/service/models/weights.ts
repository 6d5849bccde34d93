/** Computes statistics and pictures of weights; the weights themselves never leave the service. */
import { WorkbenchError } from "../../../protocol/errors";
import type { ModelRequests, Subject } from "../../../protocol/service/models";
import type { OpenedModel } from "../../imports/openModel";
import { correlationOf } from "../../analysis/correlation";
import { distributionsOf } from "../../analysis/distributions";
import { heatMapOf } from "../../analysis/heatMap";
import { valuesOf, weightRoles } from "../../analysis/roleValues";
import type { Service } from "../service";
import { openSubject, titleOf } from "./subjects";

const mostBins = 4096;
const mostCells = 2 ** 20;
const mostSubjects = 16;
const mostCorrelated = 512;

type Histogram = ModelRequests["weights.histogram"];
type Picture = ModelRequests["weights.heatMap"];
type Correlation = ModelRequests["weights.correlation"];

export function rolesOf(service: Service, subject: Subject): ModelRequests["weights.roles"]["result"] {
  using model = openSubject(service, subject);
  const title = subject.kind === "plan" ? model.source : titleOf(service, subject);
  return { title, roles: weightRoles(model.shape) };
}

export async function histogram(
  service: Service,
  { subjects, role, bins }: Histogram["params"],
  signal: AbortSignal,
): Promise<Histogram["result"]> {
  checkRange("bins", bins, mostBins);
  checkRange("subjects", subjects.length, mostSubjects);
  const models: OpenedModel[] = [];
  try {
    for (const subject of subjects) models.push(openSubject(service, subject));
    const values = models.map((model) => valuesOf(model, role));
    return { distributions: await distributionsOf(values, bins, signal) };
  } finally {
    for (const model of models) model[Symbol.dispose]();
  }
}

export async function heatMap(
  service: Service,
  { subject, role, rows, columns }: Picture["params"],
  signal: AbortSignal,
): Promise<Picture["result"]> {
  checkRange("rows", rows, mostCells);
  checkRange("columns", columns, mostCells);
  checkRange("cells of a heat map", rows * columns, mostCells);
  using model = openSubject(service, subject);
  return await heatMapOf(valuesOf(model, role), { rows, columns }, signal);
}

export async function correlation(
  service: Service,
  { subject, role, along, most }: Correlation["params"],
  signal: AbortSignal,
): Promise<Correlation["result"]> {
  checkRange("rows or columns", most, mostCorrelated);
  using model = openSubject(service, subject);
  return await correlationOf(valuesOf(model, role), along, most, signal);
}

function checkRange(what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new WorkbenchError("invalid-input", `The number of ${what} must be 1 to ${most}, not ${value}.`);
}
