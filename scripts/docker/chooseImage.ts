type Source = "present" | "pull" | "build";

export interface ImageChoice {
  readonly role: string;
  readonly reference: string;
  readonly source: Source;
  readonly cause: string;
}

export interface ImageQuestion {
  readonly role: string;
  /** IMAGE_SOURCE: auto pulls where it can and builds where not, the others do one of the two. */
  readonly mode: "auto" | "pull" | "local";
  readonly official: string;
  readonly local: string;
  readonly officialPresent: boolean;
  readonly localPresent: boolean;
  /** Whether an image registry answered in this run; undefined before anybody asked. */
  readonly registry: boolean | undefined;
  /** No official image is made for it, such as the server's development target. */
  readonly onlyLocal: boolean;
  /** A person's own image is set: nothing that is built here stands for it. */
  readonly isOwn: boolean;
}

/** Where a role's image comes from. Present images win, so that nothing is fetched twice. */
export function chooseImage(input: ImageQuestion): ImageChoice {
  const { role, official, local } = input;
  if (input.mode !== "local" && !input.onlyLocal) {
    if (input.officialPresent) return choice(role, official, "present", "already here");
    if (input.mode === "pull") return choice(role, official, "pull", "IMAGE_SOURCE=pull");
  }
  if (input.isOwn && input.mode === "auto" && !input.onlyLocal) {
    return choice(role, official, "pull", "not here yet");
  }
  if (input.localPresent) return choice(role, local, "present", "built here before");
  if (input.mode === "local") return choice(role, local, "build", "IMAGE_SOURCE=local");
  if (input.onlyLocal) return choice(role, local, "build", "no official image of this target");
  if (input.registry === false) return choice(role, local, "build", "no image registry answers");
  return choice(role, official, "pull", "not here yet");
}

function choice(role: string, reference: string, source: Source, cause: string): ImageChoice {
  return { role, reference, source, cause };
}
