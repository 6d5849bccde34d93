/** The roles of a model to choose one from: a listbox that a text narrows down, gathered in layers. */
import { html, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import type { WeightRole } from "../../src/protocol/service/models";
import { icons } from "../kit/icons";
import { getValue } from "../kit/toolkit";

export interface RoleListPage {
  /** Undefined while the model is being read. */
  readonly roles: readonly WeightRole[] | undefined;
  readonly chosen: string | undefined;
  readonly filter: string;
  setFilter(text: string): void;
  choose(role: string): void;
}

export function renderRoleList(page: RoleListPage): TemplateResult {
  const words = page.filter.toLowerCase().split(/\s+/);
  const matches = (page.roles ?? []).filter(({ role, representation }) =>
    words.every((word) => `${role} ${representation}`.toLowerCase().includes(word)),
  );
  const index = matches.findIndex(({ role }) => role === page.chosen);
  return html`<nav class="side" aria-label="Roles">
    <vscode-textfield
      placeholder="Filter the roles"
      .label=${"Filter the roles"}
      .value=${live(page.filter)}
      @input=${(event: Event) => page.setFilter(getValue(event))}
      ><span slot="content-before">${icons.search}</span></vscode-textfield
    >
    <div
      class="list"
      role="listbox"
      tabindex="0"
      aria-label="Role"
      aria-activedescendant=${index < 0 ? "" : `role-${index}`}
      @keydown=${(event: KeyboardEvent) => onKey(event, matches, index, page)}
    >
      ${repeat(
        matches,
        ({ role }) => role,
        ({ role, shape, representation }, i) =>
          html`<div
            id="role-${i}"
            role="option"
            aria-selected=${role === page.chosen}
            title="${role}, ${representation}"
            @click=${() => page.choose(role)}
          >
            <span class="name">${role}</span><span class="shape">${shape.join(" × ")}</span>
          </div>`,
      )}
      ${page.roles !== undefined && matches.length === 0 ? html`<div role="option" aria-selected="false" aria-disabled="true">No role has this name.</div>` : ""}
    </div>
  </nav>`;
}

function onKey(
  event: KeyboardEvent,
  matches: readonly WeightRole[],
  index: number,
  page: RoleListPage,
): void {
  const targets: Readonly<Record<string, number>> = {
    ArrowUp: index - 1,
    ArrowDown: index + 1,
    PageUp: index - 10,
    PageDown: index + 10,
    Home: 0,
    End: matches.length - 1,
  };
  const target = targets[event.key];
  if (target === undefined || matches.length === 0) return;
  event.preventDefault();
  const role = matches[Math.max(0, Math.min(matches.length - 1, target))]!.role;
  page.choose(role);
  requestAnimationFrame(() =>
    document.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }),
  );
}
