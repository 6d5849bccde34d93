/** Resolves the model of a request: where it is stored, what it is called and which plan it comes from. */
import { basename, join, relative, resolve } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { RunPlan } from "../../../protocol/run";
import type { Subject } from "../../../protocol/service/models";
import type { OpenedModel } from "../../imports/openedModel";
import { openModel } from "../../imports/openModel";
import { findCheckpoint } from "../../imports/runFolder";
import { resolveInside } from "../../runs/folder/insideFolder";
import { readRecord } from "../../runs/folder/runFolder";
import type { Service } from "../service";

/** A model with files on disk. */
export type StoredSubject = Exclude<Subject, { readonly kind: "plan" }>;

export function formatTitle(service: Service, subject: StoredSubject): string {
  if (subject.kind === "path") return basename(subject.path);
  const { name } = service.runs.find(subject.run).summary;
  return subject.checkpoint === undefined ? name : `${name} · ${basename(subject.checkpoint)}`;
}

/** The caller closes the result. */
export function openSubject(service: Service, subject: Subject): OpenedModel {
  if (subject.kind === "path") return openModel(resolve(subject.path));
  if (subject.kind === "run") return openModel(resolveCheckpointFolder(service, subject));
  const { experiment, variant } = subject;
  const of = variant === undefined ? "" : `, variant ${variant},`;
  throw new WorkbenchError(
    "unsupported",
    `${basename(experiment)}${of} is only planned and has no weights yet. Run it, then choose the run: it has weights from its first checkpoint on.`,
  );
}

/** A run folder may come from anywhere, so nothing in it is read through a link. */
function resolveCheckpointFolder(
  service: Service,
  { run, checkpoint = "last" }: StoredSubject & { kind: "run" },
): string {
  service.runs.find(run);
  const folder =
    checkpoint === "last" || checkpoint === "best" ? findCheckpoint(run, checkpoint) : join(run, checkpoint);
  const place = relative(run, folder);
  for (const file of ["manifest.json", "config.json", "model.safetensors"]) resolveInside(run, place, file);
  return folder;
}

/** The plan of the run that a model comes from, if known. */
export function planOf(
  service: Service,
  subject: StoredSubject,
  run: string | undefined,
): RunPlan | undefined {
  if (subject.kind === "run") return service.runs.find(subject.run).found.record?.plan;
  return run === undefined ? undefined : readRecord(run).plan;
}
