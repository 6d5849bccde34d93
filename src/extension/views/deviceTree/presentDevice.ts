/** What runs can compute with, as rows: whether it works here, and why not. */
import type { DeviceEntry } from "../../../protocol/service/models";
import type { NodePresentation } from "../nodePresentation";
import { formatBytes } from "../../../protocol/quantities";
import { escapeMarkdown, toSingleLine } from "../text";
import { t } from "../../l10n";

export interface DeviceNode {
  readonly kind: "device";
  readonly device: DeviceEntry;
}

export function presentDevice({ device }: DeviceNode, isChosen: boolean): NodePresentation {
  const { works, reason = "", memoryBytes } = device;
  const name = toSingleLine(device.name, 40);
  const shortReason = toSingleLine(reason, 160);
  const facts = [
    ...(isChosen ? [t("chosen")] : []),
    ...(works
      ? []
      : [shortReason === "" ? t("does not work here") : t("does not work here: {0}", shortReason)]),
    ...(device.description === "" ? [] : [toSingleLine(device.description, 80)]),
    ...(memoryBytes === undefined ? [] : [t("{0} memory", formatBytes(memoryBytes))]),
  ];
  const chosenIcon = { id: "pass-filled", color: "testing.iconPassed" };
  const availableIcon = { id: "circle-large-outline", color: "charts.blue" };
  return {
    id: `device:${name}`,
    label: name,
    description: facts.join(" · "),
    icon: works
      ? isChosen
        ? chosenIcon
        : availableIcon
      : { id: "circle-slash", color: "disabledForeground" },
    tooltip: [
      `**${escapeMarkdown(name)}** ${works ? t("works") : t("does not work here")}`,
      ...[device.description, reason].filter((text) => text !== "").map((text) => escapeMarkdown(text, 1000)),
    ].join("\n\n"),
    contextValue: ["device", works ? "works" : "fails", ...(isChosen ? ["chosen"] : [])].join("."),
    spoken: [name, ...(works ? [t("works")] : []), ...facts].join(", "),
    children: "none",
  };
}
