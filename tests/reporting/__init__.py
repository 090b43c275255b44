"""Operations data: what is collected, told, published and asked."""
