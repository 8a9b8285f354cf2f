import { defineSettings, type SettingDefinition, valueType } from "./defineSettings.ts";
import { environmentNames } from "./environmentName.ts";

const required = environmentNames;
const guarded = ["staging", "prod"] as const;

/** What a model provider hands out: nothing is known of its form. */
function apiKey(provider: string): SettingDefinition {
  return { description: `key of ${provider}`, ...valueType.any, expected: "a key", secret: true };
}

function modelUrl(provider: string): SettingDefinition {
  return { description: `URL of ${provider}`, ...valueType.modelUrl };
}

/** The server: its database, how it is reached, its secrets and its model providers. */
export const serverSettings = defineSettings({
  LETTA_PG_URI: {
    description: "a database outside the stack, instead of the bundled one",
    ...valueType.databaseUri,
    secret: true,
  },
  LETTA_PG_USER: { description: "user of the bundled database", ...valueType.identifier, required },
  LETTA_PG_DB: { description: "name of the bundled database", ...valueType.identifier, required },
  LETTA_PG_PASSWORD: {
    description: "password of the bundled database",
    ...valueType.databasePassword,
    secret: true,
    generated: "password",
  },

  HOST: {
    description: "address the server listens on in its container",
    ...valueType.openAddress,
    required,
  },
  PORT: {
    description: "loopback port of the server in dev and development",
    ...valueType.port,
    required,
  },
  SECURE: { description: "whether the server asks for its password", ...valueType.flag, required },
  LETTA_SERVER_PASSWORD: {
    description: "password clients of the server give",
    ...valueType.any,
    expected: "a password",
    secret: true,
    generated: "password",
    required: guarded,
  },
  LETTA_ENCRYPTION_KEY: {
    description: "key that encrypts stored credentials; never change it",
    ...valueType.any,
    expected: "a key",
    secret: true,
    generated: "key",
    fixed: [
      "it must never change: data that the server encrypted under it could not be read; keep a copy of its file",
      "list",
    ],
    required: guarded,
  },
  LETTA_SANDBOX_MOUNT_PATH: {
    description: "where tools run, in the container; the same as TOOL_EXEC_DIR",
    ...valueType.inContainer,
    required,
  },
  TOOL_EXEC_DIR: {
    description:
      "where the server looks for the tools' directory; the same as LETTA_SANDBOX_MOUNT_PATH",
    ...valueType.inContainer,
    required,
  },
  LETTA_ENVIRONMENT: { description: "environment named in telemetry", ...valueType.word, required },
  LETTA_DEBUG: {
    description: "whether the server logs its debug output",
    ...valueType.flag,
    required,
  },
  LETTA_SOURCE_DIR: {
    description: "checkout of the server's source, mounted in development",
    ...valueType.absolute,
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
  AZURE_API_VERSION: { description: "version of the Azure OpenAI interface", ...valueType.word },
});
