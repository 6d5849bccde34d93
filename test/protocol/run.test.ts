import { expect, it } from "vitest";
import { isActive, isExecuting, isResumable } from "../../src/protocol/run";

it.each([
  ["queued", { active: true, executing: false, resumable: false }],
  ["running", { active: true, executing: true, resumable: false }],
  ["paused", { active: true, executing: true, resumable: false }],
  ["stopped", { active: false, executing: false, resumable: true }],
  ["failed", { active: false, executing: false, resumable: true }],
  ["interrupted", { active: false, executing: false, resumable: true }],
  ["done", { active: false, executing: false, resumable: false }],
  ["unreadable", { active: false, executing: false, resumable: false }],
] as const)("a run that is %s", (state, { active, executing, resumable }) => {
  expect([isActive({ state }), isExecuting({ state }), isResumable({ state })]).toEqual([
    active,
    executing,
    resumable,
  ]);
});
