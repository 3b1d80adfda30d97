"""Receiving: from polls or a webhook to messages in the inbox."""
