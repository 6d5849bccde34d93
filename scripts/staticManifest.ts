/**
 * The parts of the editor's manifest that stand on their own. Commands, menus, keys, views and panels come from their own
 * files; `manifest.ts` puts all of it into package.json.
 */

export const notebooks = [
  {
    type: "lathe-notebook",
    displayName: "Lathe Experiment",
    selector: [{ filenamePattern: "*.lathe.md" }],
    priority: "default",
  },
];

export const notebookRenderer = [
  {
    id: "lathe-cell",
    displayName: "Lathe Results",
    entrypoint: "./dist/pages/renderer.js",
    mimeTypes: ["application/vnd.lathe.cell+json"],
    requiresMessaging: "optional",
  },
];

export const container = { id: "lathe", title: "Lathe", icon: "media/activity.svg" };

export const configuration = {
  title: "Lathe",
  properties: {
    "lathe.device": {
      type: "string",
      enum: ["", "cpu", "webgpu", "cuda", "dml", "coreml"],
      enumItemLabels: ["As the experiment says"],
      enumDescriptions: [
        "Each experiment names its device, or else the first that works is used.",
        "The processor. A resumed run continues bit for bit.",
        "Any graphics card that WebGPU reaches.",
        "NVIDIA cards, on Linux and Windows.",
        "DirectML, on Windows.",
        "Core ML, on macOS.",
      ],
      default: "",
      scope: "machine-overridable",
      order: 1,
      markdownDescription:
        "The device that runs use, whatever their experiment says. The view *Devices* shows which of them work here, and why the others don't.",
    },
    "lathe.alerts": {
      type: "string",
      enum: ["all", "problems", "none"],
      enumDescriptions: [
        "Also when a run is done.",
        "Only when something needs attention: a loss that is no number, a spike, a plateau, a full disk, a failed run.",
        "Nothing; the trees and the charts still show it.",
      ],
      default: "all",
      scope: "window",
      order: 2,
      description: "Which events of runs become notifications.",
    },
    "lathe.nodePath": {
      type: "string",
      default: "",
      scope: "machine",
      order: 3,
      markdownDescription:
        "A Node executable, version 20 or newer, that runs the backend service and the training. Empty means the one inside VS Code. Set it where training crashes inside VS Code and works on the command line; `Lathe: Restart Backend Service` makes it take effect.",
    },
  },
};

const steps = [
  {
    id: "open",
    title: "Open a folder",
    description:
      "Experiments are files, and what they produce lies beside them. Any folder will do, an empty one as well.\n\n[Open Folder](command:vscode.openFolder)",
    media: { markdown: "media/walkthrough/open.md" },
    // Not a completion event: VS Code overlooks a condition that holds from the start.
    when: "workspaceFolderCount == 0",
    completionEvents: ["onCommand:vscode.openFolder"],
  },
  {
    id: "example",
    title: "Take an example",
    description:
      "Two tiny language models that differ in one thing: one of them has far fewer weights. They train in seconds on any processor.\n\n[Open the Quick Example](command:lathe.openExample?%5B%22quick%22%5D)",
    media: { markdown: "media/walkthrough/example.md" },
    completionEvents: ["onCommand:lathe.openExample", "onCommand:lathe.newExperiment"],
  },
  {
    id: "run",
    title: "Watch the loss fall",
    description:
      "Run the experiment. The curve draws itself under the cell that trains, and the run goes on when the window is closed.\n\n[Run the Experiment](command:lathe.runExperiment)",
    media: { markdown: "media/walkthrough/run.md" },
    completionEvents: ["onCommand:lathe.runExperiment", "onContext:lathe.hasRuns"],
  },
  {
    id: "compare",
    title: "Compare the runs",
    description:
      "All curves on one sheet, and a table that shows only the settings in which runs differ.\n\n[Open Charts](command:lathe.openCharts)\n[Open Runs](command:lathe.openRuns)",
    media: { markdown: "media/walkthrough/compare.md" },
    completionEvents: [
      "onCommand:lathe.openCharts",
      "onCommand:lathe.openRuns",
      "onCommand:lathe.compareRuns",
    ],
  },
  {
    id: "count",
    title: "Count what was saved",
    description:
      "Five numbers for every matrix and for the whole model: trained, stored, not zero, bits and bytes.\n\n[Show Parameters](command:lathe.openParameters)",
    media: { markdown: "media/walkthrough/count.md" },
    completionEvents: ["onCommand:lathe.openParameters", "onCommand:lathe.openWeights"],
  },
  {
    id: "own",
    title: "Make it your own",
    description:
      "Point the data at your own text, change the model or add a variant. Keys complete as you type, and a key that does not exist is underlined before anything runs.\n\n[New Experiment](command:lathe.newExperiment)",
    media: { markdown: "media/walkthrough/own.md" },
    completionEvents: ["onCommand:lathe.newExperiment"],
  },
];

export const walkthroughs = [
  {
    id: "start",
    title: "Shrink a language model",
    description: "From an empty folder to a loss curve in a minute, on the processor you have.",
    steps,
  },
];
