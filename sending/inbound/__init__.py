"""What comes in: reports of receivers, complaints, automatic answers, and people who write back."""
