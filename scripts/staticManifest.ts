/**
 * The parts of the manifest that belong to no command, view or panel. `manifest.ts` writes all parts into package.json.
 */
import type { DeviceName } from "../src/schema/device";

/** What Lathe is, and where it works. */
export const about = {
  displayName: "Lathe",
  description:
    "A research workbench for shrinking language models: write an experiment as a file, train, compress, compare, with live loss curves.",
  /** The folder of the texts of the extension host, which VS Code reads in its language. */
  l10n: "./l10n",
  // Runs are processes and files of the machine that has the folder: never in the browser, and not on the near side of a
  // remote window. VS Code for the Web therefore does not offer the extension, instead of starting it without a host.
  extensionKind: ["workspace"],
  capabilities: {
    untrustedWorkspaces: {
      supported: "limited",
      description:
        "Experiments and the results of earlier runs can be read. Nothing is trained, resumed, exported, moved or deleted until the workspace is trusted.",
      restrictedConfigurations: ["lathe.device", "lathe.nodePath", "lathe.pythonPath"],
    },
    virtualWorkspaces: {
      supported: false,
      description: "Training reads text and writes runs as files, which a virtual workspace does not have.",
    },
  },
};

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

/** Every setting links to the page that explains it. */
const link = (page: string, text: string) =>
  ` [${text}](command:lathe.openDocumentation?%5B%22${page}%22%5D)`;

/** What each value of `lathe.device` selects. */
const deviceTexts: Readonly<Record<"" | Exclude<DeviceName, "auto">, string>> = {
  "": "The device that each experiment names, or the first that works.",
  cpu: "The processor. A resumed run continues bit for bit.",
  webgpu: "Any graphics card that WebGPU reaches.",
  cuda: "NVIDIA cards, on Linux and Windows.",
  dml: "DirectML, on Windows.",
  coreml: "Core ML, on macOS.",
  torch: "The best device of PyTorch.",
  "torch:cuda": "NVIDIA cards with PyTorch, and AMD cards with its ROCm build.",
  "torch:mps": "Apple silicon with PyTorch.",
  "torch:xpu": "Intel cards with PyTorch.",
  "torch:cpu": "The processor with PyTorch.",
};

export const configuration = {
  title: "Lathe",
  properties: {
    "lathe.device": {
      type: "string",
      enum: Object.keys(deviceTexts),
      enumItemLabels: ["Use the experiment's device"],
      enumDescriptions: Object.values(deviceTexts),
      default: "",
      scope: "machine-overridable",
      order: 1,
      markdownDescription:
        "The device that runs use instead of the one in their experiment. The *Devices* view shows which devices work here and why others do not." +
        link("devices", "About devices"),
    },
    "lathe.alerts": {
      type: "string",
      enum: ["all", "problems", "none"],
      enumDescriptions: [
        "Everything, including finished runs.",
        "Only problems: a loss that is not a number, a spike, a plateau, overfitting, a full disk, a failed run.",
        "Nothing; the trees and charts still show everything.",
      ],
      default: "all",
      scope: "window",
      order: 2,
      markdownDescription:
        "Which events of runs become notifications." + link("workbench", "About notifications"),
    },
    "lathe.confirmations": {
      type: "string",
      enum: ["none", "stop", "trash", "all"],
      enumDescriptions: [
        "Never ask: a stopped run can be resumed, and a run in the trash can be restored.",
        "Ask before runs are stopped.",
        "Ask before runs are moved to the trash.",
        "Ask before both.",
      ],
      default: "none",
      scope: "window",
      order: 3,
      markdownDescription: "When Lathe asks before it acts on runs." + link("workbench", "About runs"),
    },
    "lathe.runs.location": {
      type: "string",
      enum: ["project", "experiment"],
      enumDescriptions: [
        "In `.lathe` of the nearest folder that has one already, else of the opened folder.",
        "In `.lathe` beside each experiment.",
      ],
      default: "project",
      scope: "resource",
      order: 4,
      markdownDescription:
        "Where new runs are stored. Runs that exist stay where they are, and are shown wherever they are." +
        link("workbench", "Where runs are stored"),
    },
    "lathe.charts.smoothing": {
      type: "number",
      minimum: 0,
      maximum: 1,
      default: 0.3,
      scope: "window",
      order: 5,
      markdownDescription:
        "How much charts smooth training curves before you move their slider: from 0, not at all, to 1. Evaluations are always shown as measured." +
        link("workbench", "About charts"),
    },
    "lathe.charts.palette": {
      type: "string",
      enum: ["default", "okabe-ito", "tableau"],
      enumItemLabels: ["Default", "Okabe and Ito", "Tableau"],
      enumDescriptions: [
        "Eight colors, as far apart as possible for all eyes, including color-blind ones.",
        "The eight colors of Okabe and Ito, for color-blind eyes; darker on a light background where the contrast is low.",
        "Nine colors of Tableau; darker on a light background where the contrast is low.",
      ],
      default: "default",
      scope: "window",
      order: 6,
      markdownDescription:
        "The colors of runs, in the table, charts and cells. Each run also has a mark, so that it is never known by its color alone." +
        link("workbench", "About charts"),
    },
    "lathe.charts.colors": {
      type: "array",
      items: { type: "string", pattern: "^#[0-9a-fA-F]{6}$" },
      maxItems: 64,
      default: [],
      scope: "window",
      order: 7,
      markdownDescription:
        "Your own colors of runs, such as `#0072b2`, in place of the palette." +
        link("workbench", "About charts"),
    },
    "lathe.pythonPath": {
      type: "string",
      default: "",
      scope: "machine-overridable",
      order: 8,
      markdownDescription:
        "The Python interpreter of the `torch` devices, with PyTorch 2.6 or newer: a path, absolute or from the opened folder, or the name of a program. Empty selects the one that `LATHE_PYTHON` names, else the one that is selected in the Python extension, else `python3`. Ignored in a workspace that is not trusted." +
        link("devices", "About Python"),
    },
    "lathe.nodePath": {
      type: "string",
      default: "",
      scope: "machine",
      order: 9,
      markdownDescription:
        "A Node executable, version 20 or newer, that runs the backend service and training. Empty selects the one in VS Code. Set it if training crashes in VS Code but works on the command line. Run `Lathe: Restart Backend` to apply it." +
        link("workbench", "About the backend"),
    },
  },
};

const steps = [
  {
    id: "open",
    title: "Open a folder",
    description:
      "Experiments are files, and their results are stored next to them. Open any folder, even an empty one.\n\n[Open Folder](command:vscode.openFolder)",
    media: { markdown: "media/walkthrough/open.md" },
    // Not a completion event: VS Code overlooks a condition that holds from the start.
    when: "workspaceFolderCount == 0",
    completionEvents: ["onCommand:vscode.openFolder"],
  },
  {
    id: "example",
    title: "Open an example",
    description:
      "Two tiny language models that differ in one way: one has far fewer weights. They train in seconds on any processor.\n\n[Open the Quick Example](command:lathe.openExample?%5B%22quick%22%5D)",
    media: { markdown: "media/walkthrough/example.md" },
    completionEvents: ["onCommand:lathe.openExample", "onCommand:lathe.newExperiment"],
  },
  {
    id: "run",
    title: "Watch the loss fall",
    description:
      "Run the experiment. The loss is plotted under the cell that trains, and the run continues when the window is closed.\n\n[Run the Experiment](command:lathe.runExperiment)",
    media: { markdown: "media/walkthrough/run.md" },
    completionEvents: ["onCommand:lathe.runExperiment", "onContext:lathe.hasRuns"],
  },
  {
    id: "compare",
    title: "Compare the runs",
    description:
      "See all curves in one chart, and a table of the settings in which the runs differ.\n\n[Open Charts](command:lathe.openCharts)\n[Open Runs](command:lathe.openRuns)",
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
      "See five numbers for every matrix and for the whole model: trainable, stored, nonzero, bits and bytes.\n\n[Show Parameters](command:lathe.openParameters)",
    media: { markdown: "media/walkthrough/count.md" },
    completionEvents: ["onCommand:lathe.openParameters", "onCommand:lathe.openWeights"],
  },
  {
    id: "own",
    title: "Adapt the experiment",
    description:
      "Use your own text, change the model or add a variant. Keys complete as you type, and unknown keys are underlined before anything runs.\n\n[New Experiment](command:lathe.newExperiment)",
    media: { markdown: "media/walkthrough/own.md" },
    completionEvents: ["onCommand:lathe.newExperiment"],
  },
];

export const walkthroughs = [
  {
    id: "start",
    title: "Shrink a language model",
    description: "From an empty folder to a loss curve in a minute, on your own processor.",
    steps,
  },
];
