/** Finds the place in an experiment of a fault that was found in its plans, so that an editor shows it there. */
import { type Position, WorkbenchError } from "../../../protocol/errors";
import type { Experiment } from "../../experiment/experiment";
import { findStepCells } from "../../language/stepCells";
import { FaultyPart } from "../../runs/planning/checkPlan";

/** The same error with a position, if it has none and its part is in the file. */
export function locateFault(thrown: unknown, experiment: Experiment): unknown {
  if (!(thrown instanceof FaultyPart) || thrown.details.position !== undefined) return thrown;
  const position = findPosition(thrown, experiment);
  if (position === undefined) return thrown;
  const { code, message, details } = thrown;
  return new WorkbenchError(code, message, { ...details, position }, { cause: thrown });
}

function findPosition({ part, plan }: FaultyPart, experiment: Experiment): Position | undefined {
  if (typeof part === "string") return experiment.declarations[part]?.find([], "key");
  if (plan === undefined) return undefined;
  const cell = findStepCells(experiment, plan)[part.index];
  return experiment.actions
    .find((action) => action.cell === cell && action.key === part.action)
    ?.find([], "key");
}
