/** What runs can compute with, as rows: whether it works here, and why not; its cards, and the Python interpreters. */
import type { CardEntry, DeviceEntry, InterpreterEntry } from "../../../protocol/service/models";
import type { NodePresentation } from "../nodePresentation";
import { formatBytes } from "../../../protocol/quantities";
import { escapeMarkdown, toSingleLine } from "../text";
import { t } from "../../l10n";

export interface DeviceNode {
  readonly kind: "device";
  readonly device: DeviceEntry;
}

export interface CardNode {
  readonly kind: "card";
  readonly card: CardEntry;
  /** Its number on the machine, from 0. */
  readonly index: number;
}

export interface InterpreterNode {
  readonly kind: "interpreter";
  readonly interpreter: InterpreterEntry;
}

export type DeviceTreeNode = DeviceNode | CardNode | InterpreterNode;

export function listCards({ device }: DeviceNode): readonly CardNode[] {
  return (device.cards ?? []).map((card, index) => ({ kind: "card", card, index }));
}

export function presentCard({ card, index }: CardNode): NodePresentation {
  const name = toSingleLine(card.name, 80);
  const memory = formatBytes(card.totalBytes);
  const description =
    card.freeBytes === undefined
      ? t("{0} memory", memory)
      : t("{0} of {1} memory free", formatBytes(card.freeBytes), memory);
  return {
    id: `card:${index}`,
    label: t("Card {0}", index),
    description: [name, description].join(" · "),
    icon: { id: "circuit-board" },
    contextValue: "card",
    spoken: [t("Card {0}", index), name, description].join(", "),
    children: "none",
  };
}

export function presentInterpreter({ interpreter }: InterpreterNode): NodePresentation {
  const { path, source, isUsed, python, torch, reason } = interpreter;
  const label = python === undefined ? t("Python") : t("Python {0}", toSingleLine(python, 40));
  const shortReason = toSingleLine(reason, 160);
  const facts = [
    ...(isUsed ? [t("used by devices of PyTorch")] : []),
    ...(torch === undefined ? [] : [t("PyTorch {0}", toSingleLine(torch, 40))]),
    toSingleLine(path, 120),
    ...(reason === "" ? [] : [shortReason]),
  ];
  return {
    id: `interpreter:${path}`,
    label,
    description: facts.join(" · "),
    icon:
      reason === ""
        ? { id: "snake", color: "charts.blue" }
        : { id: "circle-slash", color: "disabledForeground" },
    tooltip: [
      `**${escapeMarkdown(path)}**`,
      t("From {0}", escapeMarkdown(source)),
      escapeMarkdown(reason, 1000),
    ]
      .filter((text) => text !== "")
      .join("\n\n"),
    contextValue: ["interpreter", ...(isUsed ? ["used"] : [])].join("."),
    spoken: [label, ...facts].join(", "),
    children: "none",
  };
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
    children: (device.cards ?? []).length > 0 ? "collapsed" : "none",
  };
}
