/** What the exports of plans would publish on the hub, and whether the user may. */
import { WorkbenchError } from "../../../protocol/errors";
import type { RunPlan } from "../../../protocol/run";
import { verifyAccess } from "../../exports/hub/pushFolder";
import { type PushRequest, requirePushSettings, splitPushOptions } from "../../exports/hub/pushRequest";

/** The pushes of a plan's exports, in their order. */
export function listPushes(plan: RunPlan): PushRequest[] {
  return plan.steps.flatMap(({ action, options: { format: _format, ...options } }) => {
    const { push } = action === "export" ? splitPushOptions(options) : {};
    return push === undefined ? [] : [push];
  });
}

/** Throws if the plans publish nothing, several of them publish to one repository, or there is no token. */
export function requirePushes(plans: readonly RunPlan[]): PushRequest[] {
  const pushes = plans.flatMap(listPushes);
  if (pushes.length === 0)
    throw new WorkbenchError(
      "invalid-input",
      "--push: no export names a repository. Add push_to: owner/name to an export cell.",
    );
  const names = pushes.map(({ repository }) => repository.toLowerCase());
  const again = pushes.find((_, i) => names.indexOf(names[i]!) !== i);
  if (again !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      `--push: ${names.filter((name) => name === again.repository.toLowerCase()).length} exports would replace each other in ${again.repository}. Select one run with --variant or --set, or publish one run afterwards with lathe export.`,
    );
  for (const push of pushes) requirePushSettings(push);
  return pushes;
}

/** The same, and asks the hub whether it accepts the token for each repository. */
export async function verifyPushes(plans: readonly RunPlan[]): Promise<void> {
  for (const push of requirePushes(plans)) await verifyAccess(push, requirePushSettings(push), undefined);
}
