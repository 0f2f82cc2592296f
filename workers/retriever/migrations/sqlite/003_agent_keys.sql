-- Sealed keys of providers. An agent without a provider has what the generators' environment offers;
-- so has agent 1 until somebody names one.
ALTER TABLE agents ADD COLUMN api_key TEXT NOT NULL DEFAULT '';
UPDATE agents SET provider = '' WHERE id = 1 AND provider = 'extractive' AND model = '' AND base_url = '';
