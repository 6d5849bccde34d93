/** What runs can compute with, as rows: whether it works here, and why not. */
import type { DeviceEntry } from "../../../protocol/service/models";
import type { Face } from "../face";
import { bytes } from "../../../protocol/quantities";
import { markdownText, oneLine } from "../text";

export interface DeviceNode {
  readonly kind: "device";
  readonly device: DeviceEntry;
}

export function deviceFace({ device }: DeviceNode, isChosen: boolean): Face {
  const { works, reason = "", memoryBytes } = device;
  const name = oneLine(device.name, 40);
  const why = oneLine(reason, 160);
  const facts = [
    ...(isChosen ? ["chosen"] : []),
    ...(works ? [] : [why === "" ? "does not work here" : `does not work here: ${why}`]),
    ...(device.description === "" ? [] : [oneLine(device.description, 80)]),
    ...(memoryBytes === undefined ? [] : [`${bytes(memoryBytes)} memory`]),
  ];
  const chosen = { id: "pass-filled", color: "testing.iconPassed" };
  const working = { id: "circle-large-outline", color: "charts.blue" };
  return {
    id: `device:${name}`,
    label: name,
    description: facts.join(" · "),
    icon: works ? (isChosen ? chosen : working) : { id: "circle-slash", color: "disabledForeground" },
    tooltip: [
      `**${markdownText(name)}** ${works ? "works" : "does not work here"}`,
      ...[device.description, reason].filter((text) => text !== "").map((text) => markdownText(text, 1000)),
    ].join("\n\n"),
    contextValue: ["device", works ? "works" : "fails", ...(isChosen ? ["chosen"] : [])].join("."),
    spoken: [name, ...(works ? ["works"] : []), ...facts].join(", "),
    children: "none",
  };
}
