import { declare, type Declaration } from "./declare.ts";
import { environmentNames } from "./environmentName.ts";
import { kind } from "./kind.ts";

const required = environmentNames;
const guarded = ["staging", "prod"] as const;

/** What a model provider hands out: nothing is known of its form. */
function apiKey(provider: string): Declaration {
  return { about: `key of ${provider}`, ...kind.any, expected: "a key", secret: true };
}

function modelUrl(provider: string): Declaration {
  return { about: `URL of ${provider}`, ...kind.modelUrl };
}

/** The server: its database, how it is reached, its secrets and its model providers. */
export const serverDeclarations = declare({
  LETTA_PG_URI: {
    about: "a database outside the stack, instead of the bundled one",
    ...kind.databaseUri,
    secret: true,
  },
  LETTA_PG_USER: { about: "user of the bundled database", ...kind.identifier, required },
  LETTA_PG_DB: { about: "name of the bundled database", ...kind.identifier, required },
  LETTA_PG_PASSWORD: {
    about: "password of the bundled database",
    ...kind.databasePassword,
    secret: true,
    generated: "password",
  },

  HOST: { about: "address the server listens on in its container", ...kind.openAddress, required },
  PORT: { about: "loopback port of the server in dev and development", ...kind.port, required },
  SECURE: { about: "whether the server asks for its password", ...kind.flag, required },
  LETTA_SERVER_PASSWORD: {
    about: "password clients of the server give",
    ...kind.any,
    expected: "a password",
    secret: true,
    generated: "password",
    required: guarded,
  },
  LETTA_ENCRYPTION_KEY: {
    about: "key the server encrypts stored credentials with; never change it",
    ...kind.any,
    expected: "a key",
    secret: true,
    generated: "key",
    required: guarded,
  },
  LETTA_SANDBOX_MOUNT_PATH: {
    about: "where tools run, in the container; the same as TOOL_EXEC_DIR",
    ...kind.inContainer,
    required,
  },
  TOOL_EXEC_DIR: {
    about: "where the server looks for the tools' directory; the same as LETTA_SANDBOX_MOUNT_PATH",
    ...kind.inContainer,
    required,
  },
  LETTA_ENVIRONMENT: { about: "environment named in telemetry", ...kind.word, required },
  LETTA_DEBUG: { about: "whether the server logs its debug output", ...kind.flag, required },
  LETTA_SOURCE_DIR: {
    about: "checkout of the server's source, mounted in development",
    ...kind.absolute,
    required: ["development"],
  },

  OPENAI_API_KEY: apiKey("OpenAI"),
  ANTHROPIC_API_KEY: apiKey("Anthropic"),
  GROQ_API_KEY: apiKey("Groq"),
  GEMINI_API_KEY: apiKey("Gemini"),
  AZURE_API_KEY: apiKey("Azure OpenAI"),
  TOGETHER_API_KEY: apiKey("Together"),
  DEEPSEEK_API_KEY: apiKey("DeepSeek"),
  OLLAMA_BASE_URL: modelUrl("Ollama"),
  VLLM_API_BASE: modelUrl("vLLM"),
  OPENAI_API_BASE: modelUrl("an OpenAI-compatible service"),
  AZURE_BASE_URL: modelUrl("Azure OpenAI"),
  AZURE_API_VERSION: { about: "version of the Azure OpenAI interface", ...kind.word },
});
