/**
 * The accessible name of a control of the toolkit. Its elements name themselves once they are connected, after their text
 * at that moment or else after their kind ("Text field"), over any label in the template; so this sets the name afterwards.
 */
import { noChange } from "lit";
import { Directive, directive, type ElementPart } from "lit/directive.js";

class AccessibleName extends Directive {
  render(_label: string): unknown {
    return noChange;
  }

  override update({ element }: ElementPart, [label]: [string]): unknown {
    queueMicrotask(() => {
      if (element.getAttribute("aria-label") !== label) element.setAttribute("aria-label", label);
    });
    return noChange;
  }
}

export const accessibleName = directive(AccessibleName);
