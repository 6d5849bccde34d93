/** Every command of the extension by its file's name. Written by `npm run generate`. */
import type { Command } from "../command";
import addToTerminals from "./addToTerminals";
import chooseDevice from "./chooseDevice";
import clearFilter from "./clearFilter";
import compareRuns from "./compareRuns";
import continueRun from "./continueRun";
import copyRunId from "./copyRunId";
import deleteRuns from "./deleteRuns";
import exportModel from "./exportModel";
import filterRuns from "./filterRuns";
import moveRunFirst from "./moveRunFirst";
import moveRunLast from "./moveRunLast";
import newExperiment from "./newExperiment";
import openCharts from "./openCharts";
import openDocumentation from "./openDocumentation";
import openExample from "./openExample";
import openParameters from "./openParameters";
import openReport from "./openReport";
import openRuns from "./openRuns";
import openSelectedCell from "./openSelectedCell";
import openSelectedModel from "./openSelectedModel";
import openSelectedRun from "./openSelectedRun";
import openShrink from "./openShrink";
import openTerminalAtRun from "./openTerminalAtRun";
import openWalkthrough from "./openWalkthrough";
import openWeights from "./openWeights";
import pauseRun from "./pauseRun";
import refreshDevices from "./refreshDevices";
import refreshModels from "./refreshModels";
import renameRun from "./renameRun";
import restartService from "./restartService";
import restoreRuns from "./restoreRuns";
import resumeRun from "./resumeRun";
import revealRunFolder from "./revealRunFolder";
import runAgain from "./runAgain";
import runCellAndAbove from "./runCellAndAbove";
import runExperiment from "./runExperiment";
import showLog from "./showLog";
import showRunLog from "./showRunLog";
import sortRuns from "./sortRuns";
import starRun from "./starRun";
import stopRun from "./stopRun";
import tagRun from "./tagRun";
import tryModel from "./tryModel";
import unstarRun from "./unstarRun";

export const commands: Readonly<Record<string, Command>> = {
  addToTerminals,
  chooseDevice,
  clearFilter,
  compareRuns,
  continueRun,
  copyRunId,
  deleteRuns,
  exportModel,
  filterRuns,
  moveRunFirst,
  moveRunLast,
  newExperiment,
  openCharts,
  openDocumentation,
  openExample,
  openParameters,
  openReport,
  openRuns,
  openSelectedCell,
  openSelectedModel,
  openSelectedRun,
  openShrink,
  openTerminalAtRun,
  openWalkthrough,
  openWeights,
  pauseRun,
  refreshDevices,
  refreshModels,
  renameRun,
  restartService,
  restoreRuns,
  resumeRun,
  revealRunFolder,
  runAgain,
  runCellAndAbove,
  runExperiment,
  showLog,
  showRunLog,
  sortRuns,
  starRun,
  stopRun,
  tagRun,
  tryModel,
  unstarRun,
};
